//! The lines of a stack that people are shown.

use std::path::Path;

use crate::record::Call;
use crate::stack::{self, NativeLine};

use super::line::Line;
use super::page::Page;

/// How many lines of a longer stack are shown, of each end.
const INNERMOST: usize = 10;
const OUTERMOST: usize = 2;

/// A text, and whether a user may have written the code.
struct Shown {
    text: String,
    is_user_s: bool,
}

impl Page<'_> {
    /// Adds the lines of a call's stack, innermost first.
    pub fn stack(&mut self, call: &Call) {
        let lines = stack::lines(call, self.modules, self.symbols);
        let python = matches!(lines.first(), Some(stack::Line::Python(_)));
        let mut shown = Vec::new();
        // A native stack of one line repeats the library.
        if lines.len() > 1 || python {
            shown = select(texts(&lines, self.folder));
        }
        if call.python_failed {
            shown.push(Line::default().faint("(some lines of Python could not be read)"));
        }
        if python {
            let route = stack::route(call, self.modules, self.symbols);
            shown.push(Line::default().faint(format!("through {}", route.join(", "))));
        }
        self.below(|page| shown.into_iter().for_each(|line| page.add(line)));
    }
}

/// A text for each line. Equal neighbours are one line, and so are those of a library without names.
fn texts(lines: &[stack::Line], folder: &str) -> Vec<Shown> {
    let same = |a: &stack::Line, b: &stack::Line| match (a, b) {
        (stack::Line::Native(a), stack::Line::Native(b)) => {
            is_nameless(a) && is_nameless(b) && a.path == b.path && a.path.is_some()
        }
        (stack::Line::Python(a), stack::Line::Python(b)) => a == b,
        _ => false,
    };
    lines.chunk_by(same).map(|lines| text(lines, folder)).collect()
}

fn text(lines: &[stack::Line], folder: &str) -> Shown {
    let (text, is_user_s) = match &lines[0] {
        stack::Line::Python(line) => {
            let often = match lines.len() {
                1 => String::new(),
                count => format!(" ({count} times)"),
            };
            (format!("{}{often}", lines[0]), !is_installed(&line.file))
        }
        stack::Line::Native(line) => {
            let library = line.path.as_deref().map(Path::to_string_lossy);
            let path = line.place.file.as_deref().map(Into::into).or(library);
            let text = match lines.len() {
                1 => lines[0].to_string(),
                count => format!("{} ({count} frames without names)", line.library),
            };
            (text, path.is_some_and(|path| !is_installed(&path)))
        }
    };
    let text = text.strip_prefix(folder).map_or(text.clone(), str::to_owned);
    Shown { text, is_user_s }
}

fn is_nameless(line: &NativeLine) -> bool {
    line.place.function.is_none() && line.place.file.is_none()
}

/// Whether a file belongs to a package, to Python or to the system.
fn is_installed(path: &str) -> bool {
    let folders = ["/site-packages/", "/dist-packages/", "/lib/python3", "/libcuda", "/libcudart"];
    let beginnings = ["<frozen ", "/lib/", "/lib64/", "/usr/lib", "/usr/local/cuda"];
    folders.iter().any(|folder| path.contains(folder))
        || beginnings.iter().any(|beginning| path.starts_with(beginning))
}

/// Leaves out the middle of a long stack, but not the innermost line that a user may have written.
fn select(lines: Vec<Shown>) -> Vec<Line> {
    let count = lines.len();
    let user_s = lines.iter().position(|line| line.is_user_s);
    let is_kept = |index: usize| {
        let innermost = INNERMOST - usize::from(user_s.is_some_and(|at| at >= INNERMOST - 1));
        count <= INNERMOST + OUTERMOST
            || index < innermost
            || index >= count - OUTERMOST
            || Some(index) == user_s
    };
    let mut shown = Vec::new();
    let mut left_out = 0;
    for (index, line) in lines.into_iter().enumerate() {
        if !is_kept(index) {
            left_out += 1;
            continue;
        }
        if left_out > 0 {
            shown.push(Line::default().faint(format!("… {left_out} more")));
            left_out = 0;
        }
        shown.push(Line::default().code(line.text));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Line, Shown, select, stack, texts};
    use crate::record::PythonLine;
    use crate::stack::NativeLine;
    use crate::symbols::Place;

    fn python(file: &str) -> stack::Line {
        let (file, function) = (file.to_owned(), "f".to_owned());
        stack::Line::Python(PythonLine { file, function, line: Some(1) })
    }

    #[test]
    fn of_a_long_stack_the_outermost_lines_and_the_user_s_innermost_survive() {
        for (count, user_s, expected) in [
            (12, None, "0 1 2 3 4 5 6 7 8 9 10 11"),
            (20, None, "0 1 2 3 4 5 6 7 8 9 … 8 more 18 19"),
            (20, Some(3), "0 1 2 3 4 5 6 7 8 9 … 8 more 18 19"),
            (20, Some(14), "0 1 2 3 4 5 6 7 8 … 5 more 14 … 3 more 18 19"),
        ] {
            let line =
                |index: usize| Shown { text: index.to_string(), is_user_s: Some(index) == user_s };
            let shown: Vec<String> =
                select((0..count).map(line).collect()).iter().map(Line::key).collect();
            assert_eq!(shown.join(" "), expected, "{user_s:?}");
        }
    }

    #[test]
    fn the_user_s_lines_are_those_of_no_package_and_of_no_system() {
        for (file, is_user_s) in [
            ("/home/me/train.py", true),
            ("/home/me/.venv/lib/python3.13/site-packages/torch/cuda.py", false),
            ("/usr/lib/python3/dist-packages/numpy/core.py", false),
            ("/home/me/.pyenv/versions/3.13/lib/python3.13/threading.py", false),
            ("<frozen importlib._bootstrap>", false),
        ] {
            assert_eq!(texts(&[python(file)], "")[0].is_user_s, is_user_s, "{file}");
        }
    }

    #[test]
    fn frames_without_names_are_one_line() {
        let native = |library: &str, function: Option<&str>| {
            let place = Place { function: function.map(str::to_owned), ..Place::default() };
            let path = Some(format!("/opt/lib/{library}").into());
            stack::Line::Native(NativeLine {
                library: library.to_owned(),
                path,
                address: 16,
                place,
            })
        };
        let lines = [
            native("libcudart.so.13", None),
            native("libcudart.so.13", None),
            native("libcudart.so.13", Some("cudaMemcpy")),
            native("engine.so", Some("mooncake::ClientSession::writeBody")),
            native("engine.so", None),
        ];
        let texts: Vec<String> = texts(&lines, "").into_iter().map(|line| line.text).collect();
        let expected = [
            "libcudart.so.13 (2 frames without names)",
            "libcudart.so.13 in cudaMemcpy",
            "engine.so in mooncake::ClientSession::writeBody",
            "engine.so at 0x10",
        ];
        assert_eq!(texts, expected);
    }
}
