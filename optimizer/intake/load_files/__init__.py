"""Load files of an import: CSV or Parquet, brought to 5-minute bins."""
