//! Whether a live event is what a filter asks for. Stored events are selected by the journal.

use cofferdam_model::Filter;

use crate::Event;

/// So many characters of a container's id are enough to name it.
const ID_PREFIX: usize = 6;

/// Selects live events. `since`, `until` and `limit` have no meaning here.
#[derive(Debug, Clone)]
pub struct Matcher(Filter);

/// Names of a workload, as far as they are known.
#[derive(Default)]
struct Names<'a> {
    workload: Option<&'a str>,
    namespace: Option<&'a str>,
    pod: Option<&'a str>,
    container: Option<&'a str>,
    container_id: Option<&'a str>,
}

impl Matcher {
    /// Selects what this filter asks for.
    pub fn new(filter: Filter) -> Self {
        Self(filter)
    }

    /// Whether the event is asked for. Losses are told unless they are known to be another workload's.
    pub fn matches(&self, event: &Event) -> bool {
        let filter = &self.0;
        match event {
            Event::Access(row) => {
                let names = Names {
                    workload: row.workload.as_deref(),
                    namespace: row.namespace.as_deref(),
                    pod: row.pod.as_deref(),
                    container: row.container.as_deref(),
                    container_id: row.container_id.as_deref(),
                };
                self.names(&names)
                    && fits(&filter.binary, row.binary.as_deref())
                    && filter.verdict.is_none_or(|verdict| verdict == row.verdict)
                    && filter.secret.as_ref().is_none_or(|pattern| {
                        glob(pattern, &row.secret)
                            || row
                                .key
                                .as_ref()
                                .is_some_and(|key| glob(pattern, &format!("{}:{key}", row.secret)))
                    })
            }
            Event::Connection(row) => {
                let names = Names {
                    workload: row.workload.as_deref(),
                    namespace: row.namespace.as_deref(),
                    pod: row.pod.as_deref(),
                    container: row.container.as_deref(),
                    container_id: row.container_id.as_deref(),
                };
                self.names(&names)
                    && fits(&filter.binary, row.binary.as_deref())
                    && filter.verdict.is_none_or(|verdict| verdict == row.verdict)
                    && filter.secret.as_ref().is_none_or(|pattern| {
                        row.tainted_by.iter().any(|secret| {
                            glob(pattern, secret)
                                || secret.rsplit_once(':').is_some_and(|(name, _)| glob(pattern, name))
                        })
                    })
            }
            Event::Process(row) => {
                self.names(&Names::of(row.workload.as_deref()))
                    && fits(&filter.binary, row.binary.as_deref())
                    && filter.verdict.is_none()
                    && filter.secret.is_none()
            }
            Event::Loss(row) => row.workload.is_none() || self.names(&Names::of(row.workload.as_deref())),
        }
    }

    fn names(&self, names: &Names<'_>) -> bool {
        let filter = &self.0;
        fits(&filter.workload, names.workload)
            && fits(&filter.namespace, names.namespace)
            && fits(&filter.pod, names.pod)
            && filter.container.as_ref().is_none_or(|pattern| {
                names.container.is_some_and(|name| glob(pattern, name))
                    || names.container_id.is_some_and(|id| {
                        glob(pattern, id) || (pattern.len() >= ID_PREFIX && id.starts_with(pattern.as_str()))
                    })
            })
    }
}

impl<'a> Names<'a> {
    /// What a stable workload name tells: `namespace/pod/container`, `docker:name`, `k8s.io/name`.
    fn of(workload: Option<&'a str>) -> Self {
        let Some(name) = workload else { return Self::default() };
        let parts: Vec<_> = name.splitn(3, '/').collect();
        match parts[..] {
            [namespace, pod, container] => Self {
                workload,
                namespace: Some(namespace),
                pod: Some(pod),
                container: Some(container),
                container_id: None,
            },
            _ => {
                let container = name.rsplit(['/', ':']).next();
                // Without a name of its own a container is called by the beginning of its id.
                Self { workload, container, container_id: container, ..Self::default() }
            }
        }
    }
}

fn fits(pattern: &Option<String>, text: Option<&str>) -> bool {
    pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| glob(pattern, text)))
}

/// `*` is any text, `?` any character, all else itself.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the latest `*` stands, and up to where it has swallowed the text.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, swallowed)) = star else { return false };
                star = Some((at, swallowed + 1));
                p = at + 1;
                t = swallowed + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_crosses_slashes_and_a_bracket_is_only_a_bracket() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("shop/*", "shop/web-1/app", true),
            ("shop/*/app", "shop/web-1/app", true),
            ("shop/?eb-*/app", "shop/web-1/app", true),
            ("*/app", "shop/web-1/application", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("", "", true),
            ("?", "é", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_stable_name_tells_pod_and_container() {
        let names = Names::of(Some("shop/web-1/app"));
        assert_eq!((names.namespace, names.pod, names.container), (Some("shop"), Some("web-1"), Some("app")));
        assert_eq!(Names::of(Some("docker:redis")).container, Some("redis"));
        assert_eq!(Names::of(Some("default/job")).container, Some("job"));
    }
}
