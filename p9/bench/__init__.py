"""The benchmark: us beside other libraries on the same frames, and the way of a frame from socket to subscriber."""
