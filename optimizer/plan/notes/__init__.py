"""Notes for the reader of a plan or an audit."""
