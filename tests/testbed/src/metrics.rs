//! Reads values out of the text that a `/metrics` endpoint serves (Prometheus text or `OpenMetrics`).

/// The sum over all series of that name that carry at least these labels; `None` if there is no such series.
#[must_use]
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let matching = text.lines().filter_map(Sample::parse).filter(|sample| sample.matches(name, labels));
    matching.map(|sample| sample.value).reduce(|a, b| a + b)
}

struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let name_end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(name_end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while let Some((key, quoted)) = rest.split_once("=\"").filter(|_| !rest.starts_with('}')) {
                let (value, after) = unquote(quoted)?;
                labels.push((key, value));
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            rest = rest.strip_prefix('}')?;
        }
        // What follows the value is a time or an exemplar.
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }

    fn matches(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let has = |(key, value): &(&str, &str)| self.labels.iter().any(|(k, v)| k == key && v == value);
        self.name == name && labels.iter().all(has)
    }
}

/// The value up to the closing quote, and what follows that.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::sum;

    const TEXT: &str = r#"# HELP refreshes_total Refreshes.
# TYPE refreshes_total counter
refreshes_total{provider="a",result="ok"} 3
refreshes_total{provider="b",result="ok"} 4 # {trace="x"} 1
refreshes_total{provider="b",result="a \"}, b"} 0.5
up 1
"#;

    #[test]
    fn series_with_the_wanted_labels_are_summed() {
        assert_eq!(sum(TEXT, "refreshes_total", &[("result", "ok")]), Some(7.0));
        assert_eq!(sum(TEXT, "refreshes_total", &[("provider", "a"), ("result", "ok")]), Some(3.0));
        assert_eq!(sum(TEXT, "up", &[]), Some(1.0));
    }

    #[test]
    fn quotes_and_braces_in_a_label_end_nothing() {
        assert_eq!(sum(TEXT, "refreshes_total", &[("result", "a \"}, b")]), Some(0.5));
    }

    #[test]
    fn a_series_that_is_not_there_is_none_and_not_zero() {
        assert_eq!(sum(TEXT, "refreshes_total", &[("provider", "c")]), None);
        assert_eq!(sum(TEXT, "refreshes", &[]), None);
    }
}
