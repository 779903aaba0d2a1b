"""The mixture of diagonal Gaussians: its class, its kernel, and the blocks of the kernel."""
