//! Whether a live event is what a filter asks for. Stored events are selected by the journal.

use cofferdam_model::{Filter, glob};

use crate::Event;

/// So many digits of a container's id stand in the name of its workload while it has none of its own.
const SHORT_ID: usize = 12;

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
        let asks_for_detections = filter.severity.is_some() || filter.rule.is_some();
        if asks_for_detections && !matches!(event, Event::Detection(_) | Event::Loss(_)) {
            return false;
        }
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
                    && self.secret(Some(&row.secret), row.key.as_deref())
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
            Event::Attempt(row) => {
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
                    && filter.secret.is_none()
            }
            Event::Audit(row) => {
                self.names(&Names::of(row.workload.as_deref()))
                    && filter.binary.is_none()
                    && filter.verdict.is_none()
                    && filter.secret.is_none()
            }
            Event::Detection(row) => {
                let names = Names {
                    workload: row.workload.as_deref(),
                    namespace: row.namespace.as_deref(),
                    pod: row.pod.as_deref(),
                    container: row.container.as_deref(),
                    container_id: row.container_id.as_deref(),
                };
                self.names(&names)
                    && fits(&filter.binary, row.binary.as_deref())
                    && filter.verdict.is_none()
                    && filter.severity.is_none_or(|least| row.severity >= least)
                    && fits(&filter.rule, Some(&row.rule))
                    && self.secret(row.secret.as_deref(), row.key.as_deref())
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

    /// Whether a secret is asked for, by its name with or without the key.
    fn secret(&self, secret: Option<&str>, key: Option<&str>) -> bool {
        let Some(pattern) = &self.0.secret else { return true };
        let Some(secret) = secret else { return false };
        glob(pattern, secret) || key.is_some_and(|key| glob(pattern, &format!("{secret}:{key}")))
    }

    fn names(&self, names: &Names<'_>) -> bool {
        let filter = &self.0;
        fits(&filter.workload, names.workload)
            && fits(&filter.namespace, names.namespace)
            && fits(&filter.pod, names.pod)
            && filter.container.as_ref().is_none_or(|pattern| {
                names.container.is_some_and(|name| glob(pattern, name))
                    || names.container_id.is_some_and(|id| names_id(pattern, id))
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
                container_id: Some(container).filter(|name| is_short_id(name)),
            },
            _ => {
                let container = name.rsplit(['/', ':']).next();
                // Without a name of its own a container is called by the beginning of its id.
                Self { workload, container, container_id: container, ..Self::default() }
            }
        }
    }
}

/// Whether a pattern, an id or the beginning of one asks for this id, of which only the beginning may be known.
fn names_id(pattern: &str, id: &str) -> bool {
    glob(pattern, id)
        || (pattern.len() >= Filter::ID_PREFIX && id.starts_with(pattern))
        || (is_short_id(id) && pattern.starts_with(id))
}

fn is_short_id(text: &str) -> bool {
    text.len() == SHORT_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn fits(pattern: &Option<String>, text: Option<&str>) -> bool {
    pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| glob(pattern, text)))
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{AuditKind, AuditRow, LossReason, LossRow, Severity, Verdict, WallTime};

    use super::*;

    #[test]
    fn a_stable_name_tells_pod_and_container() {
        let names = Names::of(Some("shop/web-1/app"));
        assert_eq!((names.namespace, names.pod, names.container), (Some("shop"), Some("web-1"), Some("app")));
        assert_eq!(Names::of(Some("docker:redis")).container, Some("redis"));
        assert_eq!(Names::of(Some("default/job")).container, Some("job"));
    }

    #[test]
    fn a_whole_id_also_finds_what_is_only_known_by_the_beginning_of_it() {
        const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let found = |pattern: &str, workload: &str| {
            let filter = Filter { container: Some(pattern.to_owned()), ..Filter::default() };
            Matcher::new(filter).names(&Names::of(Some(workload)))
        };
        for workload in ["docker:0123456789ab", "pod:0a1b2c3d/0123456789ab", "shop/web-0/0123456789ab"] {
            assert!(found(ID, workload) && found(&ID[..8], workload), "{workload}");
            assert!(!found(&ID.replace('0', "f"), workload), "{workload}");
        }
        assert!(!found("webapp-2", "docker:webapp"), "a name is no beginning of an id");
    }

    #[test]
    fn an_act_without_a_workload_is_told_to_who_asks_for_everything() {
        let act = |workload: Option<&str>| {
            Event::from(AuditRow {
                at: WallTime::from_nanos(0),
                what: AuditKind::Contained,
                subject: "order".to_owned(),
                workload: workload.map(str::to_owned),
                by: None,
                detail: String::new(),
                boot_id: "0a1b2c3d-1111-2222-3333-444455556666".parse().unwrap(),
            })
        };
        let pod = Matcher::new(Filter { pod: Some("web-*".to_owned()), ..Filter::default() });
        assert!(Matcher::new(Filter::default()).matches(&act(None)));
        assert!(pod.matches(&act(Some("shop/web-1/app"))));
        assert!(!pod.matches(&act(None)));
        let denied = Matcher::new(Filter { verdict: Some(Verdict::Denied), ..Filter::default() });
        assert!(!denied.matches(&act(None)));
    }

    #[test]
    fn detections_are_told_by_how_bad_they_are_and_by_their_rule() {
        let found = Event::from(crate::wire::detection());
        let fits = |filter: Filter| Matcher::new(filter).matches(&found);
        let least = |severity| Filter { severity: Some(severity), ..Filter::default() };
        let secret = |text: &str| Filter { secret: Some(text.to_owned()), ..Filter::default() };
        assert!(fits(least(Severity::High)) && fits(least(Severity::Low)));
        assert!(!fits(least(Severity::Critical)));
        assert!(fits(Filter { rule: Some("secret-*".to_owned()), ..Filter::default() }));
        assert!(!fits(Filter { rule: Some("sweep".to_owned()), ..Filter::default() }));
        assert!(fits(secret("volume/creds")) && fits(secret("*:password")) && !fits(secret("other")));
        let access = Event::from(crate::wire::access());
        assert!(!Matcher::new(least(Severity::Info)).matches(&access), "an access is no detection");
    }

    #[test]
    fn a_loss_is_found_by_a_whole_id() {
        let at = WallTime::from_nanos(0);
        let workload = Some("docker:0123456789ab".to_owned());
        let loss = LossRow {
            since: at,
            until: at,
            hook: "open".to_owned(),
            workload,
            reason: LossReason::RingFull,
            count: 1,
        };
        let asked = |digit: &str| {
            let id = format!("0123456789ab{}", digit.repeat(52));
            Matcher::new(Filter { container: Some(id), ..Filter::default() })
        };
        assert!(asked("c").matches(&Event::Loss(loss.clone())));
        let other = LossRow { workload: Some("docker:ffff56789abc".to_owned()), ..loss };
        assert!(!asked("c").matches(&Event::Loss(other)));
    }
}
