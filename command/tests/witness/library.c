/* A library that calls the driver. It is compiled under several names. */
int retain(int (*function)(void **, int), void **context, int device)
{
    int result = function(context, device);

    __asm__ volatile("" ::: "memory"); /* no tail call: the caller is this library */
    return result;
}

int release(int (*function)(int), int device)
{
    int result = function(device);

    __asm__ volatile("" ::: "memory");
    return result;
}

int destroy(int (*function)(void *), void *context)
{
    int result = function(context);

    __asm__ volatile("" ::: "memory");
    return result;
}
