"""The check that doubts wrong voxel sizes: its training. In use it is `checks.voxel_size`."""
