/* A library that uses nothing of what it is linked to. */
extern int unused;
