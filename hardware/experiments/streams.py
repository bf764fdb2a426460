"""E4: a stream whose primary context is gone, or gone and retained again. Processes died of it."""

from .cells import cell


def former_stream(run):
    """A stream of a context that is current on this thread and has lost its last reference."""
    device = run.device()
    run.driver.cuCtxSetCurrent(run.retain(device))
    stream = run.driver.cuStreamCreate(0)["stream"]
    run.driver.cuStreamSynchronize(stream)
    run.release(device)
    return device, stream


@cell("E4", "stream-query-old")
def query(run):
    _, stream = former_stream(run)
    return f"cuStreamQuery {run.driver.cuStreamQuery(stream)}"


@cell("E4", "stream-synchronize-old")
def synchronize(run):
    _, stream = former_stream(run)
    return f"cuStreamSynchronize {run.driver.cuStreamSynchronize(stream)}"


@cell("E4", "old-stream-after-revival")
def after_revival(run):
    device, stream = former_stream(run)
    run.retain(device)
    return f"cuStreamQuery {run.driver.cuStreamQuery(stream)}, cuStreamSynchronize {run.driver.cuStreamSynchronize(stream)}"
