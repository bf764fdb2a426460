//! `--watch` on a pipe: what changes is printed, until nobody reads.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use super::machine::Machine;
use crate::limit;

fn start(machine: &Machine) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = machine.command("--watch=0.1");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line
}

#[test]
fn changes_are_printed_until_nobody_reads() {
    let own = std::process::id();
    let machine = Machine::new(&format!("2\n0 {own} 600 -1\n"));
    let (mut child, mut output) = start(&machine);
    let first = line(&mut output);
    assert!(first.starts_with(&format!("+ 0  {own}  ")) && first.contains("  600  "), "{first}");
    machine.change(&format!("2\n0 {own} 700 -1\n"));
    assert!(line(&mut output).starts_with(&format!("- 0  {own}  ")));
    assert!(line(&mut output).contains("  700  "));
    drop(output);
    // Nothing changes any more: it ends although it has nothing to write.
    assert!(limit::wait(&mut child).success());
}

#[test]
fn an_interruption_ends_it() {
    let machine = Machine::new(&format!("1\n0 {} 600 -1\n", std::process::id()));
    let (mut child, mut output) = start(&machine);
    line(&mut output);
    // SAFETY: the child was not waited for, so that its id is its own.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    assert_eq!(limit::wait(&mut child).signal(), Some(libc::SIGINT));
}
