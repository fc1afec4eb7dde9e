"""What-if questions: plans for a changed estate or changed rules, and the influence of the prices on a plan."""
