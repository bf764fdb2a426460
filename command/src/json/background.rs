//! Writing in a thread of its own, so that a reader who is slow, or has stopped, does not stop the command.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// A file that is written in the background. What is written waits in memory until the file takes it.
#[derive(Debug)]
pub struct Background {
    sender: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Background {
    /// Starts the thread, which inherits the signal mask of the caller.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn new(file: File) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = thread::Builder::new()
            .name("json".to_owned())
            .spawn(move || write_all(file, &receiver))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Waits until the file has taken everything.
    ///
    /// # Errors
    ///
    /// When the file took not everything.
    pub fn finish(&mut self) -> io::Result<()> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the writing thread panicked")),
            None => Ok(()),
        }
    }
}

fn write_all(mut file: File, receiver: &Receiver<Vec<u8>>) -> io::Result<()> {
    receiver.iter().try_for_each(|bytes| file.write_all(&bytes))
}

impl Write for Background {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(bytes.to_vec()).is_ok());
        if !sent {
            self.finish()?;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
