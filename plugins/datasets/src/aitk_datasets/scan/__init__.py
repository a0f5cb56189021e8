"""Looking at a folder's pictures: header, one decode, cache, and the evidence made of them."""
