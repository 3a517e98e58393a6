//! Table: what the clients and the workers saw, as text.

use std::fmt::Write;
use std::time::Duration;

/// One service during one act.
#[derive(Clone, Debug)]
pub(crate) struct ServiceRow {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) per_second: f64,
    pub(crate) tail: Tail,
}

/// Where the latencies lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
}

/// What one worker did during one act.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WorkerRow {
    pub(crate) polls: u64,
    pub(crate) steals: u64,
    pub(crate) parks: u64,
    pub(crate) events: u64,
}

/// What was done for workers that were stuck in one poll.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rescue {
    /// Workers found stuck.
    pub(crate) stalls: u64,
    /// Tasks that others took over.
    pub(crate) tasks: u64,
    /// Visits of others to a stuck worker's sockets and timers.
    pub(crate) visits: u64,
}

impl Rescue {
    /// What was done since `before`.
    pub(crate) fn since(self, before: Rescue) -> Rescue {
        Rescue {
            stalls: self.stalls.saturating_sub(before.stalls),
            tasks: self.tasks.saturating_sub(before.tasks),
            visits: self.visits.saturating_sub(before.visits),
        }
    }
}

impl WorkerRow {
    /// What was done since `before`.
    pub(crate) fn since(self, before: WorkerRow) -> WorkerRow {
        WorkerRow {
            polls: self.polls.saturating_sub(before.polls),
            steals: self.steals.saturating_sub(before.steals),
            parks: self.parks.saturating_sub(before.parks),
            events: self.events.saturating_sub(before.events),
        }
    }
}

/// What one act has to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) services: Vec<ServiceRow>,
    pub(crate) workers: Vec<WorkerRow>,
    pub(crate) rescue: Rescue,
}

impl Table {
    /// As text; with the act before, its tails stand beside.
    pub(crate) fn text(&self, title: &str, before: Option<&Table>) -> String {
        let before = before.map(|table| table.services.as_slice());
        let mut text = format!("{title}\n\n");
        text.push_str(&aligned(&service_lines(&self.services, before)));
        text.push('\n');
        text.push_str(&aligned(&worker_lines(&self.workers)));
        if self.rescue != Rescue::default() {
            text.push_str(&format!(
                "\n  found stuck: {}; others took over {} tasks and looked {} times after sockets and timers\n",
                grouped(self.rescue.stalls),
                grouped(self.rescue.tasks),
                grouped(self.rescue.visits)
            ));
        }
        text
    }
}

fn service_lines(services: &[ServiceRow], before: Option<&[ServiceRow]>) -> Vec<Vec<String>> {
    let mut head = vec![
        "service",
        "connections",
        "requests/s",
        "p50",
        "p99",
        "p99.9",
    ];
    if before.is_some() {
        head.extend(["| act 1: p50", "p99", "p99.9"]);
    }
    let mut lines = vec![head.into_iter().map(String::from).collect::<Vec<_>>()];
    for (index, service) in services.iter().enumerate() {
        let mut line = vec![
            service.name.to_string(),
            service.connections.to_string(),
            grouped(service.per_second.round() as u64),
        ];
        line.extend(tail(&service.tail));
        if let Some(before) = before.and_then(|before| before.get(index)) {
            line.extend(tail(&before.tail));
        }
        lines.push(line);
    }
    lines
}

fn tail(tail: &Tail) -> [String; 3] {
    [latency(tail.p50), latency(tail.p99), latency(tail.p999)]
}

fn worker_lines(workers: &[WorkerRow]) -> Vec<Vec<String>> {
    let head = ["worker", "polls", "steals", "parks", "events"];
    let mut lines = vec![head.map(String::from).to_vec()];
    for (index, worker) in workers.iter().enumerate() {
        let counts = [worker.polls, worker.steals, worker.parks, worker.events];
        let mut line = vec![index.to_string()];
        line.extend(counts.map(grouped));
        lines.push(line);
    }
    lines
}

/// A latency with the unit that fits it.
pub(crate) fn latency(time: Duration) -> String {
    let micros = time.as_nanos() as f64 / 1e3;
    if micros < 999.5 {
        format!("{micros:.0} µs")
    } else if micros < 9_995.0 {
        format!("{:.2} ms", micros / 1e3)
    } else if micros < 999_500.0 {
        format!("{:.1} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}

/// A number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns under one another: the first to the left, the numbers to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::from(" ");
        for (column, cell) in line.iter().enumerate() {
            let width = widths[column];
            // Writing to a string cannot fail.
            let _ = match column {
                0 => write!(row, " {cell:<width$}"),
                _ => write!(row, "  {cell:>width$}"),
            };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &'static str, p99: u64) -> ServiceRow {
        ServiceRow {
            name,
            connections: 16,
            per_second: 3999.6,
            tail: Tail {
                p50: Duration::from_micros(42),
                p99: Duration::from_micros(p99),
                p999: Duration::from_millis(12),
            },
        }
    }

    #[test]
    fn the_table_of_an_act() {
        let worker = WorkerRow {
            polls: 1234567,
            steals: 8,
            parks: 90,
            events: 1000,
        };
        let table = Table {
            services: vec![service("echo", 300), service("http", 1250)],
            workers: vec![worker],
            ..Table::default()
        };
        let text = table.text("act 1: calm", None);
        let wanted = "\
act 1: calm

  service  connections  requests/s    p50      p99    p99.9
  echo              16       4,000  42 µs   300 µs  12.0 ms
  http              16       4,000  42 µs  1.25 ms  12.0 ms

  worker      polls  steals  parks  events
  0       1,234,567       8     90   1,000
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn the_second_act_stands_beside_the_first() {
        let table = |p99| Table {
            services: vec![service("echo", p99)],
            ..Table::default()
        };
        let text = table(99_000).text("act 2", Some(&table(300)));
        let row = text.lines().find(|line| line.contains("echo")).unwrap();
        let (now, before) = (row.find("99.0 ms").unwrap(), row.find("300 µs").unwrap());
        assert!(now < before, "{text}");
        assert!(text.contains("| act 1: p50"));
    }

    #[test]
    fn a_rescue_is_told_and_its_absence_is_not() {
        let rescue = Rescue {
            stalls: 7,
            tasks: 1200,
            visits: 31,
        };
        let told = "found stuck: 7; others took over 1,200 tasks and looked 31 times";
        let table = Table {
            rescue,
            ..Table::default()
        };
        assert!(table.text("act 2", None).contains(told));
        assert!(!Table::default().text("act 1", None).contains("stuck"));
        assert_eq!(rescue.since(rescue), Rescue::default());
    }

    #[test]
    fn a_latency_has_the_unit_that_fits() {
        let of = |nanos| latency(Duration::from_nanos(nanos));
        assert_eq!(of(0), "0 µs");
        assert_eq!(of(999_400), "999 µs");
        assert_eq!(of(999_600), "1.00 ms");
        assert_eq!(of(99_960_000), "100.0 ms");
        assert_eq!(of(1_500_000_000), "1.50 s");
    }

    #[test]
    fn thousands_stand_apart() {
        let numbers = [0, 7, 999, 1000, 1_234_567];
        assert_eq!(
            numbers.map(grouped),
            ["0", "7", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn a_difference_never_runs_below_zero() {
        let more = WorkerRow {
            polls: 5,
            ..WorkerRow::default()
        };
        assert_eq!(more.since(WorkerRow::default()), more);
        assert_eq!(WorkerRow::default().since(more), WorkerRow::default());
    }
}
