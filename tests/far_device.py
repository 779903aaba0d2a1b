"""A second device without a GPU: tensors that compute on the CPU but refuse to mix with it.

`Far` wraps a CPU tensor and claims another device, and `FarDevice` makes whatever is created there.
As on a GPU, an operation on tensors of both devices raises an error, unless one has no dimensions
or is an index, and `numpy()` raises a TypeError. `register` makes the device, which other code then
takes for an accelerator: do it in a process of its own.
"""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CROSSING = ("aten::copy_", "aten::_to_copy")
BY_INDEX = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")


FAR = "far:0"


def register():
    """Make the device, with the CPU's generator; it stays until the process ends."""

    class Backend(backend_registration._DummyBackendModule):
        def get_rng_state(self, device=None):
            return torch.default_generator.get_state()

        def set_rng_state(self, state, device=None):
            pass

        def manual_seed_all(self, seed):
            pass

        def current_device(self):
            return 0

        def device_count(self):
            return 1

    backend_registration._setup_privateuseone_for_python_backend("far", Backend())


class Far(torch.Tensor):
    """A tensor on the far device."""

    @staticmethod
    def __new__(cls, near):
        far = torch.Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=FAR,
        )
        far.near = near
        return far

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        return run(op, args, kwargs or {})

    def tolist(self):
        return self.near.tolist()

    def numpy(self, *args, **kwargs):
        raise TypeError("cannot convert a tensor of device far to numpy; use cpu() first")

    __array__ = numpy

    def __repr__(self):
        return f"Far({self.near!r})"


class Creation(TorchFunctionMode):
    """Makes tensors from Python's numbers on the CPU first, as torch does where none can see it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.new_tensor and isinstance(args[0], Far):
            options = {"dtype": args[0].dtype, "device": FAR, **kwargs}
            return torch.tensor(args[1], dtype=options["dtype"]).to(options["device"])
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


class FarDevice(TorchDispatchMode):
    """Within this mode, tensors can be created on the far device and moved there.

    With `has_float64` false it refuses tensors in float64, as some devices do.

    `moved` has the number of rows of each block of data that was moved, of so many `columns`.
    """

    def __init__(self, columns):
        super().__init__()
        self.columns, self.has_float64 = columns, True
        self.moved, self.creation = [], Creation()

    def __enter__(self):
        self.creation.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.creation.__exit__(*error)

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        result = run(op, args, kwargs or {})
        if not self.has_float64:
            for made in tree_leaves(result):
                if isinstance(made, Far) and made.dtype == torch.float64:
                    raise TypeError(f"this device has no float64, and {op} returned it.")
        if isinstance(result, Far) and op._schema.name == "aten::_to_copy":
            of_data = not isinstance(args[0], Far) and result.shape[1:] == (self.columns,)
            self.moved += [len(result)] if of_data else []
        return result


def run(op, args, kwargs):
    """Run an operation on the CPU, and return its result on the device where it belongs."""
    name, tensors = op._schema.name, [t for t in tree_leaves((args, kwargs)) if is_tensor(t)]
    far = [isinstance(t, Far) for t in tensors]
    result_far = any(far)
    if any(far) and name not in CROSSING:
        strange = [t for t in tensors if not isinstance(t, Far) and t.dim() > 0]
        if strange and (name not in BY_INDEX or not far[0]):  # indices may be on the CPU
            raise RuntimeError(f"expected all tensors on one device, got far and cpu in {op}")
    if kwargs.get("device") is not None:
        result_far = torch.device(kwargs["device"]).type == "far"
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif name == "aten::copy_":
        result_far = far[0]
    near_args, near_kwargs = tree_map(lambda t: t.near if isinstance(t, Far) else t, (args, kwargs))
    result = op(*near_args, **near_kwargs)
    returned = op._schema.returns
    if len(returned) == 1 and returned[0].alias_info and returned[0].alias_info.is_write:
        for argument, value in zip(op._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                return value
        return kwargs["out"]
    return tree_map(lambda t: Far(t) if result_far and type(t) is torch.Tensor else t, result)


def is_tensor(value):
    return isinstance(value, torch.Tensor)
