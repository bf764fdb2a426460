//! Standard streams that this process was started without.

/// Keeps descriptors 0 to 2 from becoming those of files that are opened later: text for standard
/// error would be written into them. What takes their place is closed for the program, which has
/// its streams as closed as they were. Rust's own `main` would do the like, and there is none here.
pub fn occupy_closed() {
    loop {
        // SAFETY: the path ends in a zero.
        let file = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        if file < 0 {
            return; // without a /dev/null there is nothing to put there
        }
        if file > libc::STDERR_FILENO {
            // SAFETY: it was opened here, and nobody else has it.
            unsafe { libc::close(file) };
            return;
        }
    }
}
