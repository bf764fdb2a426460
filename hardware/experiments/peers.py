"""E16: peer access between two contexts, then one side is released."""

import ctypes
import functools

from .cells import Skip, cell

SIZE = 1 << 20


def pair(run):
    """Two devices with a context and memory each; device 1's sees that of device 0."""
    owner, user = run.devices()[:2]
    if not hasattr(run.driver.library, "cuCtxEnablePeerAccess"):
        raise Skip("the driver has no cuCtxEnablePeerAccess")
    can = run.driver.cuDeviceCanAccessPeer(user, owner)
    if not can["can"]:
        raise Skip(f"device 1 cannot access device 0: cuDeviceCanAccessPeer returned {can}")
    numbers = (ctypes.c_uint32 * (SIZE // 4))(*range(SIZE // 4))
    contexts, memory = [], []
    for device in (owner, user):
        contexts.append(run.retain(device))
        run.driver.cuCtxSetCurrent(contexts[-1])
        memory.append(run.driver.cuMemAlloc_v2(SIZE)["address"])
    run.driver.cuCtxSetCurrent(contexts[0])
    run.driver.cuMemcpyHtoD_v2(memory[0], numbers, SIZE)
    run.driver.cuCtxSetCurrent(contexts[1])
    enabled = run.driver.cuCtxEnablePeerAccess(contexts[0], 0)
    if not enabled.ok:
        raise Skip(f"cuCtxEnablePeerAccess returned {enabled}")
    return (owner, user), contexts, memory, numbers


def is_right(run, address, numbers):
    arrived = (ctypes.c_uint32 * (SIZE // 4))()
    copied = run.driver.cuMemcpyDtoH_v2(arrived, address, SIZE)
    return f"{copied} {'right' if bytes(arrived) == bytes(numbers) else 'WRONG'}"


def released_pair(run, released):
    """The side whose memory is used, or the one that uses it, is released; the other's context is current."""
    devices, contexts, memory, numbers = pair(run)
    results = [f"copy before {run.driver.cuMemcpyDtoD_v2(memory[1], memory[0], SIZE)} "
               f"{is_right(run, memory[1], numbers)}"]
    results.append(f"release {run.release(devices[released])}, states {run.states(devices)}")
    run.driver.cuCtxSetCurrent(contexts[1 - released])
    return devices, contexts, memory, numbers, results


def one_side(run, released):
    """What the other side still can: its own memory, a copy from or to what is gone, fresh memory."""
    devices, _, memory, numbers, results = released_pair(run, released)
    other = 1 - released
    results.append(f"the other's own memory {is_right(run, memory[other], numbers)}")
    results.append(f"copy through {run.driver.cuMemcpyDtoD_v2(memory[1], memory[0], SIZE)}")
    results.append(f"synchronize {run.driver.cuCtxSynchronize()}")
    fresh = run.driver.cuMemAlloc_v2(SIZE)
    results.append(f"fresh memory {fresh}")
    if fresh.ok:
        run.driver.cuMemcpyHtoD_v2(fresh["address"], numbers, SIZE)
        results.append(f"and its numbers {is_right(run, fresh['address'], numbers)}")
    results.append(f"release of the other {run.release(devices[other])}, states {run.states(devices)}")
    return "; ".join(results)


def peer_copy(run, released):
    """cuMemcpyPeer, which gets both contexts, one of them dead. The process may crash."""
    _, contexts, memory, _, results = released_pair(run, released)
    results.append(f"peer copy {run.driver.cuMemcpyPeer(memory[1], contexts[1], memory[0], contexts[0], SIZE)}")
    results.append(f"synchronize {run.driver.cuCtxSynchronize()}")
    return "; ".join(results)


for side, name in enumerate(("owner", "user")):
    cell("E16", f"peer-{name}-released", timeout=60)(functools.partial(one_side, released=side))
    cell("E16", f"peer-{name}-released-peer-copy", timeout=60)(functools.partial(peer_copy, released=side))
