//! One run of a credential plug-in: bounded in output and time, ended with its children when nobody waits any longer.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::{MAX_RUN, StderrSink};

/// The largest answer: a certificate, its key and a token have a few kilobytes.
const MAX_STDOUT: usize = 1 << 20;
/// How much of standard error is kept: its end, where the reason is.
const MAX_STDERR: usize = 8 << 10;
/// How long the streams are read after the program has ended; a child of its own may hold them open.
const MAX_DRAIN: Duration = Duration::from_millis(500);

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It exited, and wrote this to standard output.
    Exited { status: ExitStatus, stdout: Vec<u8> },
    /// It wrote more than [`MAX_STDOUT`] and was ended.
    TooMuchOutput,
    /// It did not exit within [`MAX_RUN`] and was ended.
    TimedOut,
}

/// The end of what a plug-in has written to standard error so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Stderr(Arc<Mutex<Tail>>);

#[derive(Debug, Default)]
struct Tail {
    kept: Vec<u8>,
    left_out: usize,
}

impl Stderr {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.kept.extend_from_slice(bytes);
        let surplus = tail.kept.len().saturating_sub(MAX_STDERR);
        tail.kept.drain(..surplus);
        tail.left_out += surplus;
    }

    /// The text, without the white space around it; it says how much was left out before it.
    pub(super) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&tail.kept);
        // A character that was cut in two.
        let text = if tail.left_out > 0 { text.trim_start_matches(char::REPLACEMENT_CHARACTER) } else { &text };
        match (tail.left_out, text.trim()) {
            (0, text) => text.to_owned(),
            (left_out, text) => format!("[{left_out} bytes left out] {text}"),
        }
    }
}

/// A child process that is killed, with its children, unless it has been waited for.
struct Running {
    child: Child,
    id: Option<u32>,
    /// Whether it leads a process group of its own.
    leads: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(id), Ok(None)) = (self.id, self.child.try_wait()) {
            kill(id, self.leads);
            // tokio waits for it in the background.
            let _ = self.child.start_kill();
        }
    }
}

/// Runs a program to its end. Dropping the future ends the program.
///
/// # Errors
/// Those of starting it.
pub(super) async fn run(mut command: Command, stderr: &Stderr, sink: Option<&StderrSink>) -> io::Result<Ended> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let leads = apart(&mut command);
    let mut child = command.spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut running = Running { id: child.id(), child, leads };
    let mut stdout = Vec::new();
    let streams = async {
        let reading_err = async {
            let Some(err) = err else { return };
            forward(err, |bytes| {
                stderr.push(bytes);
                if let Some(sink) = sink {
                    sink(bytes);
                }
                true
            })
            .await;
        };
        let reading_out = async {
            let Some(out) = out else { return };
            forward(out, |bytes| {
                stdout.extend_from_slice(bytes);
                stdout.len() <= MAX_STDOUT
            })
            .await;
        };
        futures::join!(reading_out, reading_err);
    };
    let ended = tokio::time::timeout(MAX_RUN, async {
        let mut streams = std::pin::pin!(streams);
        let waiting = std::pin::pin!(running.child.wait());
        // The streams are read meanwhile, since a full pipe would stop the program.
        let status = match futures::future::select(waiting, streams.as_mut()).await {
            futures::future::Either::Left((status, _)) => {
                let _ = tokio::time::timeout(MAX_DRAIN, streams).await;
                status?
            }
            futures::future::Either::Right(((), waiting)) => waiting.await?,
        };
        Ok::<_, io::Error>(status)
    })
    .await;
    match ended {
        _ if stdout.len() > MAX_STDOUT => Ok(Ended::TooMuchOutput),
        Ok(status) => Ok(Ended::Exited { status: status?, stdout }),
        Err(_) => Ok(Ended::TimedOut),
    }
}

/// Reads a stream to its end, or until `take` has enough.
async fn forward(mut stream: impl AsyncRead + Unpin, mut take: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if !take(&buffer[..read]) {
            return;
        }
    }
}

/// Gives the program a process group of its own, where that takes no terminal from it. Says whether it did.
///
/// A program in the background of a terminal is stopped when it asks its user something, and Ctrl-C does not reach it.
#[cfg(unix)]
fn apart(command: &mut Command) -> bool {
    let has_terminal = std::fs::File::open("/dev/tty").is_ok();
    if !has_terminal {
        command.process_group(0);
    }
    !has_terminal
}

#[cfg(not(unix))]
fn apart(_: &mut Command) -> bool {
    false
}

#[cfg(unix)]
fn kill(id: u32, leads: bool) {
    use rustix::process::{Pid, Signal, kill_process, kill_process_group};
    let pid = |id: u32| i32::try_from(id).ok().and_then(Pid::from_raw);
    if leads {
        let _ = pid(id).map(|pid| kill_process_group(pid, Signal::KILL));
        return;
    }
    for child in descendants(id) {
        let _ = pid(child).map(|pid| kill_process(pid, Signal::KILL));
    }
}

#[cfg(not(unix))]
fn kill(_: u32, _: bool) {}

/// The processes below a process, as far as the system tells (Linux does).
#[cfg(unix)]
fn descendants(id: u32) -> Vec<u32> {
    let mut found = vec![id];
    let mut next = 0;
    // Bounded: processes may be made while they are counted.
    while next < found.len() && found.len() < 1000 {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", found[next]));
        found.extend(children.unwrap_or_default().split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        next += 1;
    }
    found.split_off(1)
}
