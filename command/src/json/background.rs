//! Writing in a thread of its own, so that a reader who is slow, or has stopped, does not stop the command.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A file that is written in the background. What is written waits in memory until the file takes it.
#[derive(Debug)]
pub struct Background {
    sender: Option<Sender<Vec<u8>>>,
    result: Receiver<io::Result<()>>,
}

impl Background {
    /// Starts the thread, which inherits the signal mask of the caller.
    pub fn new(file: File) -> io::Result<Self> {
        let ((sender, receiver), (done, result)) = (channel(), channel());
        thread::Builder::new().name("json".to_owned()).spawn(move || {
            // Nobody waits for it any longer if this cannot be sent.
            let _ = done.send(write_all(file, &receiver));
        })?;
        Ok(Self { sender: Some(sender), result })
    }

    /// Waits until the file has taken everything, or for so long.
    pub fn finish(&mut self, longest: Option<Duration>) -> io::Result<()> {
        self.sender = None;
        let result = match longest {
            Some(longest) => self.result.recv_timeout(longest).ok(),
            None => self.result.recv().ok(),
        };
        result.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn write_all(mut file: File, receiver: &Receiver<Vec<u8>>) -> io::Result<()> {
    receiver.iter().try_for_each(|bytes| file.write_all(&bytes))
}

impl Write for Background {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(bytes.to_vec()).is_ok());
        if !sent {
            self.finish(None)?;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
