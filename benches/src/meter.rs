//! What one process measures: a meter over two clocks, and the sample as one line of text.
//!
//! *Checked by* the tests below.

use std::fmt;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::time::ClockId;

/// What one process measured; printed and parsed as one line of `name=value` words.
///
/// ```
/// use bench_rows::meter::Sample;
/// let line = "sample ops=10 wall_ns=2000 cpu_ns=1500 p50_us=12.5";
/// let sample: Sample = line.parse().unwrap();
/// assert_eq!((sample.ops, sample.extra("p50_us")), (10, Some(12.5)));
/// assert_eq!(sample.to_string(), line);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Operations done between start and stop.
    pub ops: u64,
    /// Wall time between start and stop.
    pub wall_ns: u64,
    /// Processor time of the process between start and stop, user and system, all threads.
    pub cpu_ns: u64,
    /// Figures of the row's own.
    pub extras: Vec<(String, f64)>,
}

impl Sample {
    /// The row's own figure of that name.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<f64> {
        self.extras
            .iter()
            .find(|(extra, _)| extra == name)
            .map(|(_, value)| *value)
    }

    /// The same sample with one more figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Sample {
        self.extras.push((name.to_owned(), value));
        self
    }

    /// The same sample with the percentiles of a histogram in nanoseconds, in µs.
    #[must_use]
    pub fn with_percentiles(self, histogram: &hdrhistogram::Histogram<u64>) -> Sample {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        self.with("p50_us", at(0.5))
            .with("p99_us", at(0.99))
            .with("p999_us", at(0.999))
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sample ops={} wall_ns={} cpu_ns={}",
            self.ops, self.wall_ns, self.cpu_ns
        )?;
        self.extras
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl std::str::FromStr for Sample {
    type Err = String;

    fn from_str(line: &str) -> Result<Sample, String> {
        let mut words = line.split_whitespace();
        if words.next() != Some("sample") {
            return Err(format!("not a sample line: {line:?}"));
        }
        let mut sample = Sample {
            ops: 0,
            wall_ns: 0,
            cpu_ns: 0,
            extras: Vec::new(),
        };
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("no `=` in {word:?} of {line:?}"))?;
            let bad = |_| format!("no number in {word:?} of {line:?}");
            match name {
                "ops" => sample.ops = value.parse().map_err(bad)?,
                "wall_ns" => sample.wall_ns = value.parse().map_err(bad)?,
                "cpu_ns" => sample.cpu_ns = value.parse().map_err(bad)?,
                _ => sample.extras.push((
                    name.to_owned(),
                    value
                        .parse()
                        .map_err(|_| format!("no number in {word:?} of {line:?}"))?,
                )),
            }
        }
        if sample.ops == 0 || sample.wall_ns == 0 {
            return Err(format!("a sample of nothing: {line:?}"));
        }
        Ok(sample)
    }
}

/// Wall clock and processor clock from `start` to `stop`.
#[derive(Debug)]
pub struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    /// Starts both clocks.
    #[must_use]
    pub fn start() -> Meter {
        Meter {
            cpu: process_cpu(),
            wall: Instant::now(),
        }
    }

    /// Reads both clocks.
    #[must_use]
    pub fn stop(self, ops: u64) -> Sample {
        let wall_ns = nanos(self.wall.elapsed());
        let cpu_ns = nanos(process_cpu().saturating_sub(self.cpu));
        Sample {
            ops,
            wall_ns,
            cpu_ns,
            extras: Vec::new(),
        }
    }
}

/// Whole nanoseconds; saturates after 584 years.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time that this process has used, user and system, all threads.
///
/// Through libc: rustix asks the kernel's vDSO, and finding that crashes under valgrind.
#[must_use]
pub fn process_cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID
        .now()
        .expect("Linux has this clock")
        .into()
}

/// How often the threads of this process have gone to sleep of their own accord, all together.
///
/// # Errors
///
/// If `/proc/self/task` cannot be read; a thread that ends meanwhile is left out.
pub fn voluntary_switches() -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        sum += status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

/// Bytes of memory that this process holds now.
///
/// # Errors
///
/// If `/proc/self/status` cannot be read.
pub fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))?;
    Ok(kibibytes * 1024)
}

/// A histogram of nanoseconds with three digits; it grows as it must.
#[must_use]
pub fn histogram() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new(3).expect("three significant digits are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_line_survives_printing_and_parsing() {
        let sample = Sample {
            ops: 7,
            wall_ns: 1_000,
            cpu_ns: 900,
            extras: Vec::new(),
        }
        .with("p99_us", 2.25);
        assert_eq!(sample.to_string().parse::<Sample>(), Ok(sample));
    }

    #[test]
    fn a_broken_line_is_refused_with_the_word_that_is_wrong() {
        assert!(
            "simple ops=1"
                .parse::<Sample>()
                .unwrap_err()
                .contains("not a sample")
        );
        assert!(
            "sample ops"
                .parse::<Sample>()
                .unwrap_err()
                .contains("no `=`")
        );
        assert!(
            "sample ops=x"
                .parse::<Sample>()
                .unwrap_err()
                .contains("ops=x")
        );
        assert!(
            "sample ops=1 wall_ns=1 cpu_ns=1 p50_us=y"
                .parse::<Sample>()
                .unwrap_err()
                .contains("p50_us=y")
        );
        assert!(
            "sample cpu_ns=1"
                .parse::<Sample>()
                .unwrap_err()
                .contains("nothing")
        );
    }

    #[test]
    fn work_moves_the_processor_clock_and_memory_is_counted() {
        let meter = Meter::start();
        while process_cpu() == meter.cpu {}
        assert!(meter.stop(1).cpu_ns > 0);
        assert!(resident_bytes().unwrap() > 0);
        voluntary_switches().unwrap();
    }
}
