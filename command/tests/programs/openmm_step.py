import openmm

print([openmm.Platform.getPlatform(index).getName() for index in range(openmm.Platform.getNumPlatforms())])
system = openmm.System()
system.addParticle(1.0)
platform = openmm.Platform.getPlatformByName("CUDA")
try:
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"DeviceIndex": "1"})
    print(context.getPlatform().getName())
except openmm.OpenMMException as error:
    print(str(error)[:200])
