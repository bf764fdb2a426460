import bpy

preferences = bpy.context.preferences.addons["cycles"].preferences
preferences.compute_device_type = "CUDA"
preferences.get_devices()
print([(device.name, device.type) for device in preferences.devices])
