"""Plans: the document, the changes that lead to a schedule, the audit of today's schedule, and explanations."""
