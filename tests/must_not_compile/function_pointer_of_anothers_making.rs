//! Which types are function pointers of the driver's is for the bindings to say.
struct Number(usize);

impl cuda_primary_context::FunctionPointer for Number { //~ E0277
    type Function = usize;
}

fn main() {}
