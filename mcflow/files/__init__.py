"""One study in one HDF5 file: what stands in it, how it is written so that nothing is lost, and how it is read."""
