"""The constraint problem, its proven bound and its search; the only package that imports OR-Tools."""
