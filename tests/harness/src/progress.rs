//! What a person sees while something takes long: one line per step with its time.

use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;
use std::pin::pin;
use std::time::{Duration, Instant};

/// After this time without a word, a step says that it is still at it.
const IMPATIENCE: Duration = Duration::from_secs(30);
/// The column at which times start.
const TIME_COLUMN: usize = 60;

/// Prints one line at once. A reader that has gone away is no reason to stop.
pub fn say(line: impl Display) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").ok();
    output.flush().ok();
}

/// A heading with space before it.
pub fn heading(text: impl Display) {
    say(format!("\n{text}"));
}

/// Does one step and prints its name and its time when it is done.
///
/// # Errors
/// Those of the step.
pub async fn step<T>(name: impl Display, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let name = name.to_string();
    let start = Instant::now();
    let mut work = pin!(work);
    loop {
        let outcome = tokio::time::timeout(IMPATIENCE, &mut work).await;
        match outcome {
            Ok(Ok(value)) => {
                say(line("✓", &name, start.elapsed()));
                return Ok(value);
            }
            Ok(Err(error)) => {
                say(line("✗", &name, start.elapsed()));
                return Err(error);
            }
            Err(_) => say(line("…", &format!("{name}: still at it"), start.elapsed())),
        }
    }
}

/// A step's line: sign, name, time.
#[must_use]
pub fn line(sign: &str, name: &str, time: Duration) -> String {
    let padding = TIME_COLUMN.saturating_sub(name.chars().count() + 4);
    format!("  {sign} {name}{} {:>9}", " ".repeat(padding), duration(time))
}

/// A time as people read it: `840 ms`, `12.3 s`, `4 min 05 s`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_naturally() {
        assert_eq!(duration(Duration::from_micros(1_900)), "1 ms");
        assert_eq!(duration(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(duration(Duration::from_secs(245)), "4 min 05 s");
    }
}
