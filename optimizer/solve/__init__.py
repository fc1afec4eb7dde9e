"""Instance in, result out: the constraint problem, its bound, its search and its independent verifier."""
