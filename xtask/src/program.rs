//! A program of ours that runs while a step needs it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::run::{Failure, Line, Run};

/// A running program that told a URL; dropping it ends it.
pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
}

impl Program {
    /// Starts the program and waits for the first URL on a line with the given words.
    pub(crate) fn start(run: &Run, line: &Line, words: &'static str) -> Result<Self, Failure> {
        println!("\n==> running: {line}");
        let mut child = run
            .command(line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| line.cannot_start(&error))?;
        let output = child.stdout.take();
        // Made before the wait, so that the program ends with it however the wait ends.
        let mut program = Self {
            child,
            url: String::new(),
        };
        let output = output.ok_or_else(|| Failure::new("the program has no output to read"))?;
        let url = first_url(output, words).recv_timeout(START);
        program.url = url.map_err(|error| {
            let why = match error {
                mpsc::RecvTimeoutError::Timeout => "printed no URL in time",
                mpsc::RecvTimeoutError::Disconnected => "ended without printing a URL",
            };
            Failure::new(format!("the program {why}:\n  {line}"))
        })?;
        Ok(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Shows every line of the output and sends the URLs. Reads on to the end: a full pipe would stop the program.
fn first_url(output: ChildStdout, words: &'static str) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("    {line}");
            if let Some(url) = url_in(&line).filter(|_| line.contains(words)) {
                // Only the first is waited for.
                drop(sender.send(url));
            }
        }
    });
    receiver
}

fn url_in(line: &str) -> Option<String> {
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"))?;
    Some(url.trim_end_matches(['/', '.', ',']).to_owned())
}

/// The program is built before it is started, so this is only for its own start.
const START: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_found_in_a_sentence() {
        let url = Some("http://127.0.0.1:7070".to_owned());
        assert_eq!(url_in("http://127.0.0.1:7070"), url);
        assert_eq!(url_in("DingTalk sandbox on http://127.0.0.1:7070/."), url);
        assert_eq!(url_in("no address here"), None);
    }
}
