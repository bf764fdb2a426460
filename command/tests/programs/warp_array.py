import warp

warp.init()
print(warp.get_devices())
array = warp.zeros(16, dtype=float, device="cuda:1")
print(array.shape, array.device)
