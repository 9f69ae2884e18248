//! An exposition of OpenMetrics 1.0.0, read strictly: what the specification does not allow fails the test.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A bucket's example.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its labels.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// When, Unix time.
    pub at: Option<f64>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With its suffix.
    pub name: String,
    /// In order of their names.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// Behind the `#`.
    pub exemplar: Option<Exemplar>,
}

/// One family: its metadata and its samples.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// `# TYPE`.
    pub kind: String,
    /// `# UNIT`.
    pub unit: String,
    /// `# HELP`, escapes undone.
    pub help: String,
    /// In order.
    pub samples: Vec<Sample>,
}

/// Reads a whole exposition: families by name.
///
/// # Errors
/// What is wrong, with the line.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with `# EOF`")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        let fault = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').ok_or(fault("no metadata"))?;
            let (name, rest) = rest.split_once(' ').ok_or(fault("no metadata"))?;
            if name != current && families.contains_key(name) {
                return Err(fault("a family that was left"));
            }
            name.clone_into(&mut current);
            let family = families.entry(current.clone()).or_default();
            let place = match word {
                _ if !family.samples.is_empty() => Err(fault("metadata behind samples"))?,
                "TYPE" => &mut family.kind,
                "UNIT" => &mut family.unit,
                "HELP" => &mut family.help,
                _ => Err(fault("an unknown word"))?,
            };
            if !place.is_empty() {
                return Err(fault("twice"));
            }
            *place = unescape(rest).ok_or(fault("a bad escape"))?;
        } else {
            let sample = Reader(line).sample().ok_or(fault("no sample"))?;
            let family = families.get_mut(&current).ok_or(fault("no family"))?;
            family.samples.push(sample);
        }
    }
    families.iter().try_for_each(|(name, family)| check(name, family))?;
    Ok(families)
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    let fault = |what: &str| Err(format!("{name}: {what}"));
    if !family.unit.is_empty() && !name.ends_with(&format!("_{}", family.unit)) {
        return fault("its name does not end with its unit");
    }
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => return fault("an unknown type"),
    };
    if ["_total", "_bucket", "_count", "_sum", "_created"].iter().any(|s| name.ends_with(s)) {
        return fault("its name has a suffix of samples");
    }
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        let suffix = sample.name.strip_prefix(name).unwrap_or("?");
        if !suffixes.contains(&suffix) {
            return fault(&format!("a sample called {}", sample.name));
        }
        if !seen.insert((&sample.name, &sample.labels)) {
            return fault("a series twice");
        }
        let only_grows = family.kind != "gauge" && suffix != "_sum";
        if only_grows && (sample.value.is_nan() || sample.value < 0.0) {
            return fault("less than nothing");
        }
        let takes_exemplars = ["_total", "_bucket"].contains(&suffix);
        if let Some(exemplar) = &sample.exemplar {
            let runes =
                |(name, value): (&String, &String)| name.chars().count() + value.chars().count();
            if !takes_exemplars || exemplar.labels.iter().map(runes).sum::<usize>() > 128 {
                return fault("an exemplar that may not be");
            }
        }
    }
    if family.kind == "histogram" { histogram(name, &family.samples) } else { Ok(()) }
}

/// Each series is whole, in one piece, and its buckets grow.
fn histogram(name: &str, samples: &[Sample]) -> Result<(), String> {
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let fault = |what: &str| Err(format!("{name}{:?}: {what}", first.labels));
        let length = rest.iter().take_while(|sample| sample.labels.contains_key("le")).count();
        let (buckets, behind) = rest.split_at(length);
        let [sum, count, ..] = behind else { return fault("no sum or no count") };
        let bare = |sample: &Sample| {
            let mut labels = sample.labels.clone();
            labels.remove("le");
            labels
        };
        let own = bare(first);
        if buckets.iter().any(|one| bare(one) != own) || sum.labels != own || count.labels != own {
            return fault("in pieces");
        }
        if !sum.name.ends_with("_sum") || !count.name.ends_with("_count") {
            return fault("no sum or no count");
        }
        let (mut below, mut so_far) = (f64::NEG_INFINITY, 0.0);
        for bucket in buckets {
            let text = &bucket.labels["le"];
            let bound: f64 = text.parse().map_err(|_| format!("{name}: le={text:?}"))?;
            if bound <= below || bucket.value < so_far || !is_canonical(text, bound) {
                return fault(&format!("le={text:?}"));
            }
            if bucket.exemplar.as_ref().is_some_and(|one| one.value <= below || one.value > bound) {
                return fault("an exemplar of another bucket");
            }
            (below, so_far) = (bound, bucket.value);
        }
        if below != f64::INFINITY || so_far != count.value {
            return fault("its count is not that of +Inf");
        }
        rest = &behind[2..];
    }
    Ok(())
}

/// As `%g` of Go: a number with a point, or with an exponent of two digits.
fn is_canonical(text: &str, bound: f64) -> bool {
    if bound.is_infinite() {
        return text == "+Inf";
    }
    let written = match format!("{bound:?}").split_once("e-") {
        None => format!("{bound:?}"),
        Some((digits, exponent)) => format!("{digits}e-{exponent:0>2}"),
    };
    text == written
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// Reads a line from left to right.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn sample(&mut self) -> Option<Sample> {
        let name = self.name()?;
        let labels = if self.0.starts_with('{') { self.labels()? } else { Labels::new() };
        self.take(" ")?;
        let value = self.number()?;
        let exemplar = match self.0.is_empty() {
            true => None,
            false => Some(self.exemplar()?),
        };
        self.0.is_empty().then_some(Sample { name, labels, value, exemplar })
    }

    fn exemplar(&mut self) -> Option<Exemplar> {
        self.take(" # ")?;
        let labels = self.labels()?;
        self.take(" ")?;
        let value = self.number()?;
        let at = match self.take(" ") {
            Some(()) => Some(self.number()?),
            None => None,
        };
        Some(Exemplar { labels, value, at })
    }

    fn labels(&mut self) -> Option<Labels> {
        let mut labels = Labels::new();
        self.take("{")?;
        loop {
            let name = self.name()?;
            self.take("=\"")?;
            let mut is_escaped = false;
            let end = self.0.find(|c| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            })?;
            let (value, rest) = self.0.split_at(end);
            self.0 = &rest[1..];
            if labels.insert(name, unescape(value)?).is_some() {
                return None;
            }
            match self.take("}") {
                Some(()) => return Some(labels),
                None => self.take(",")?,
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.0.find(|c| !part(c)).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| name.to_owned())
    }

    fn number(&mut self) -> Option<f64> {
        let end = self.0.find(' ').unwrap_or(self.0.len());
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        match number {
            "+Inf" => Some(f64::INFINITY),
            "-Inf" => Some(f64::NEG_INFINITY),
            "NaN" => Some(f64::NAN),
            _ => number.parse().ok().filter(|number: &f64| number.is_finite()),
        }
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }
}

const GOOD: &str = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Says \\\"a\\\".\n\
    a_seconds_total{x=\"q\\\"\\\\\\n,}\",y=\"\"} 2.5\n\
    # TYPE g gauge\ng -Inf\n\
    # TYPE h histogram\nh_bucket{le=\"0.5\"} 1 # {trace_id=\"ab\"} 0.3 1.5\nh_bucket{le=\"+Inf\"} 2\nh_sum 9\nh_count 2\n# EOF\n";

#[test]
fn what_is_right_is_read() {
    let families = parse(GOOD).unwrap();
    let [a, g, h] = ["a_seconds", "g", "h"].map(|name| &families[name]);
    assert_eq!(
        (a.kind.as_str(), a.unit.as_str(), a.help.as_str()),
        ("counter", "seconds", "Says \"a\".")
    );
    assert_eq!(a.samples[0].labels["x"], "q\"\\\n,}");
    assert_eq!((g.samples[0].value, h.samples.len()), (f64::NEG_INFINITY, 4));
    let exemplar = h.samples[0].exemplar.as_ref().unwrap();
    assert_eq!(
        (exemplar.labels["trace_id"].as_str(), exemplar.value, exemplar.at),
        ("ab", 0.3, Some(1.5))
    );
}

#[test]
fn what_is_wrong_is_refused() {
    let rows = [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF"),
        ("# EOF\n", "# EOF\n\n"),
        ("# TYPE g gauge\n", "\n# TYPE g gauge\n"),
        ("# TYPE g gauge\n", "# TYPE g gauge\n# TYPE g gauge\n"),
        ("# TYPE g gauge\n", "# TYPE g gauge\n# LIKE g h\n"),
        ("# UNIT a_seconds seconds", "# UNIT a_seconds bytes"),
        ("a_seconds counter", "a_seconds summary"),
        ("a_seconds_total{", "a_seconds{"),
        ("\\\"a\\\"", "\"a\""),
        ("y=\"\"", "x=\"\""),
        ("y=\"\"", "y=\"\\t\""),
        ("y=\"\"", "9=\"\""),
        ("} 2.5", "}  2.5"),
        ("} 2.5", "} -2.5"),
        ("} 2.5", "} NaN"),
        ("} 2.5", "} 2.5 # {a=\"b\"}"),
        ("g -Inf\n", "g -Inf\ng 1\n"),
        ("g -Inf\n", "g 1 # {a=\"b\"} 1\n"),
        ("g -Inf\n", "# HELP a_seconds More.\ng -Inf\n"),
        ("0.3 1.5", "0.7 1.5"),
        ("le=\"0.5\"", "le=\"0.50\""),
        ("le=\"+Inf\"} 2", "le=\"+Inf\"} 0"),
        ("h_count 2", "h_count 3"),
        ("h_sum 9\n", ""),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
    ];
    for (from, to) in rows {
        assert!(GOOD.contains(from), "{from}");
        assert!(parse(&GOOD.replacen(from, to, 1)).is_err(), "{from:?} -> {to:?}");
    }
    let long = format!("trace_id=\"{}\"", "x".repeat(121));
    assert!(parse(&GOOD.replacen("trace_id=\"ab\"", &long, 1)).is_err());
}
