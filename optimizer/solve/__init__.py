"""Instance in, result out: the constraint problem, its proven bound, its search; the only importer of OR-Tools."""
