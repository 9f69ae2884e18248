//! Samples of a Prometheus text exposition (format 0.0.4), read strictly: a line that does not parse fails the test.

use std::collections::BTreeMap;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With `_bucket`, `_sum` or `_count` where it has one.
    pub name: String,
    /// Label names and values.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// All samples, in order.
    pub samples: Vec<Sample>,
    /// `# TYPE` by name.
    pub types: BTreeMap<String, String>,
}

impl Scrape {
    /// Reads an exposition.
    ///
    /// # Panics
    /// At a line that is none.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                scrape.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let sample = sample(line);
                scrape.samples.push(sample.unwrap_or_else(|| panic!("not a sample: {line:?}")));
            }
        }
        scrape
    }

    /// All samples of this name that have these labels, among others.
    pub fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let fits = |s: &&Sample| {
            s.name == name
                && labels.iter().all(|(k, v)| s.labels.get(*k).is_some_and(|have| have == v))
        };
        self.samples.iter().filter(fits).collect()
    }

    /// The sum of [`Scrape::matching`]: labels left out are summed over. 0 where there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).iter().map(|s| s.value).sum()
    }

    /// Whether any such sample stands there, 0 or not.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        !self.matching(name, labels).is_empty()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.trim().parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The labels after a `{`, and what follows the `}`.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// A value up to its closing quote, escapes undone, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

#[test]
fn an_exposition_is_read() {
    let scrape = Scrape::parse(
        "# HELP a_total Some.\n# TYPE a_total counter\na_total{x=\"1\",y=\"q\\\"}\\n\"} 3\n\
         a_total{x=\"2\",y=\"\"} 4.5\nb 1e3\nc{le=\"+Inf\"} +Inf\n",
    );
    assert_eq!(scrape.types["a_total"], "counter");
    assert_eq!(scrape.metric("a_total", &[]), 7.5);
    assert_eq!(scrape.metric("a_total", &[("x", "1")]), 3.0);
    assert_eq!(scrape.samples[0].labels["y"], "q\"}\n");
    assert_eq!(scrape.metric("b", &[]), 1000.0);
    assert!(scrape.has("c", &[("le", "+Inf")]) && !scrape.has("c", &[("le", "1")]));
}

#[test]
#[should_panic(expected = "not a sample")]
fn nonsense_is_refused() {
    Scrape::parse("a_total{x=1} 3\n");
}
