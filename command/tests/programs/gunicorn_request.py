"""A server whose worker has a context; one request."""

import pathlib
import re
import subprocess
import sys
import urllib.request


def app(_environment, start_response):
    import ctypes

    driver, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
    codes = [driver.cuInit(0), driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 1)]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(codes).encode()]


if __name__ == "__main__":
    gunicorn = pathlib.Path(sys.executable).with_name("gunicorn")
    server = subprocess.Popen([gunicorn, "-w", "1", "-b", "127.0.0.1:0", "gunicorn_request:app"],
                              stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if found := re.search(r"http://[\d.:]+", line):
            break
    with urllib.request.urlopen(found[0]) as response:
        print(response.status, response.read().decode())
    server.terminate()
    server.stderr.read()
    print("server ended with", server.wait())
