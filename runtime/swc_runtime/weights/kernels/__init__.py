"""What composes weights, pulls gradients back and sums them: torch's own operations, or CUDA kernels through CuPy.

`reference` is torch's, right everywhere. `tables` turns a plan into what the kernels of `compose.cu` walk through,
`launched` calls them as torch functions, `cupy_launcher` launches them; `training.kernel_choice` says which are used
and why. CuPy is imported only where its kernels are to be used.
"""
