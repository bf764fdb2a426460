import ctypes
import logging

import ray

ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


@ray.remote(num_gpus=1)
class Worker:
    def context(self):
        driver, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
        return [driver.cuInit(0), driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)]


workers = [Worker.remote() for _ in range(2)]
print(ray.get([worker.context.remote() for worker in workers]))
ray.shutdown()
