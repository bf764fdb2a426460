import taichi

taichi.init(arch=taichi.cuda, log_level=taichi.ERROR)
field = taichi.field(dtype=taichi.f32, shape=4)
print(taichi.cfg.arch, field.shape)
