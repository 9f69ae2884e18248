//! What a handler says that it is doing, by name, and how long each took: bounded, since it may say anything.

/// Names of one call, at most.
const MOST: usize = 32;
/// Bytes of a name, at most.
const LONGEST: usize = 32;

/// The phases of one call, each name once, in the order of their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Names, and nanoseconds so far.
    spent: Vec<(String, u64)>,
    /// Which runs, and since when.
    current: Option<(usize, u64)>,
}

impl Phases {
    /// From now on it is this one; none for an empty name. False for what no handler can have said.
    pub fn begin(&mut self, name: &str, now_ns: u64) -> bool {
        self.end(now_ns);
        if name.is_empty() {
            return true;
        }
        let known = self.spent.iter().position(|(known, _)| known == name);
        let place = known.unwrap_or(self.spent.len());
        if known.is_none() {
            if place == MOST || !is_name(name) {
                return false;
            }
            self.spent.push((name.to_owned(), 0));
        }
        self.current = Some((place, now_ns));
        true
    }

    /// The one that runs is over.
    pub fn end(&mut self, now_ns: u64) {
        if let Some((place, since)) = self.current.take()
            && let Some((_, spent)) = self.spent.get_mut(place)
        {
            *spent += now_ns.saturating_sub(since);
        }
    }

    /// Each with its nanoseconds, that which runs up to `now_ns`.
    #[must_use]
    pub fn until(&self, now_ns: u64) -> Self {
        let mut copy = self.clone();
        copy.end(now_ns);
        copy
    }

    /// Names and nanoseconds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.spent.iter().map(|(name, spent)| (name.as_str(), *spent))
    }

    /// For a log line: `connect=0.012, fetch=1.5`, in seconds; `None` where there is none.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let each = self.iter().map(|(name, ns)| format!("{name}={}", ns as f64 / 1e9));
        let text = each.collect::<Vec<_>>().join(", ");
        (!text.is_empty()).then_some(text)
    }
}

/// A word that stands in a `Server-Timing` header beside those of the proxy (RFC 9110 section 5.6.2).
fn is_name(name: &str) -> bool {
    const TAKEN: [&str; 6] = ["queue", "start", "cpu", "runqueue", "blocked", "total"];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.len() <= LONGEST && name.bytes().all(is_plain) && !TAKEN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_one_name_add_up() {
        let mut phases = Phases::default();
        for (name, at) in [("read", 10), ("work", 15), ("read", 35), ("", 40), ("work", 50)] {
            assert!(phases.begin(name, at));
        }
        let so_far: Vec<_> = phases.until(53).iter().map(|(n, ns)| (n.to_owned(), ns)).collect();
        assert_eq!(so_far, [("read".to_owned(), 10), ("work".to_owned(), 23)]);
        assert_eq!(phases.text().unwrap(), "read=0.00000001, work=0.00000002");
        assert_eq!(Phases::default().text(), None);
    }

    #[test]
    fn names_are_bounded() {
        let mut phases = Phases::default();
        for bad in ["a b", "a;dur=1", "ü", "queue", "total", &"x".repeat(33)] {
            assert!(!phases.begin(bad, 0), "{bad}");
        }
        for number in 0..MOST {
            assert!(phases.begin(&format!("p{number}"), 0));
        }
        assert!(!phases.begin("one-more", 0));
        assert!(phases.begin("p7", 0));
    }
}
