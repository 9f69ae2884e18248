//! The table of the demo: what was measured, side by side.

use std::fmt::Write;
use std::time::Duration;

use super::experiment::Measured;
use super::screen::Paint;

const WIDTH: usize = 20;

/// Both acts, one column each.
#[must_use]
pub fn render(clients: usize, direct: &Measured, through: &Measured, paint: Paint) -> String {
    let row = |name: &str, cell: &dyn Fn(&Measured) -> String| -> [String; 3] {
        [name.to_owned(), cell(direct), cell(through)]
    };
    let rows = [
        row(&format!("all {clients} answered after"), &|m| time(m.total)),
        row("slowest call", &|m| time(m.calls.slowest())),
        row("fast endpoint meanwhile: answers", &|m| m.fast.count().to_string()),
        row("fast endpoint meanwhile: p50", &|m| time(m.fast.percentile(50.0))),
        row("fast endpoint meanwhile: p99", &|m| time(m.fast.percentile(99.0))),
    ];
    let mut table = String::from("\n");
    let heads = ["", "in the app", "through Cofferdam"].map(str::to_owned);
    line(&mut table, &heads, |text| paint.bold(text), |text| paint.bold(text));
    for cells in &rows {
        line(&mut table, cells, |text| paint.bad(text), |text| paint.good(text));
    }
    table
}

/// Padded before it is painted: escape codes have no width.
fn line(
    table: &mut String,
    [name, direct, through]: &[String; 3],
    paint_direct: impl Fn(&str) -> String,
    paint_through: impl Fn(&str) -> String,
) {
    let direct = paint_direct(&format!("{direct:>WIDTH$}"));
    let through = paint_through(&format!("{through:>WIDTH$}"));
    let _infallible = writeln!(table, "  {name:<34}{direct}{through}");
}

/// Three digits or so, with the unit that fits.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        1.0.. => format!("{seconds:.2} s"),
        0.01.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.2} ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spread::Spread;
    use super::*;

    fn measured(total: u64, fast: &[u64]) -> Measured {
        let total = Duration::from_micros(total);
        let spread = |micros: Vec<Duration>| Spread::of(micros).unwrap();
        let fast = fast.iter().copied().map(Duration::from_micros).collect();
        Measured { total, calls: spread(vec![total]), fast: spread(fast) }
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let direct = measured(20_015_000, &[17_950_000]);
        let through = measured(2_012_000, &[420, 510, 12_340]);
        let expected = "
                                              in the app   through Cofferdam
  all 10 answered after                          20.02 s              2.01 s
  slowest call                                   20.02 s              2.01 s
  fast endpoint meanwhile: answers                     1                   3
  fast endpoint meanwhile: p50                   17.95 s             0.51 ms
  fast endpoint meanwhile: p99                   17.95 s             12.3 ms
";
        assert_eq!(render(10, &direct, &through, Paint::PLAIN), expected);
    }
}
