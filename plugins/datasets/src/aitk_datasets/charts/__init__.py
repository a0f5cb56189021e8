"""Charts of a dataset: resolution, side ratio, buckets and caption length."""
