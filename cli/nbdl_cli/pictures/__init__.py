"""The pictures of runs: a file for each picture or family of pictures, and the table that says when each applies."""
