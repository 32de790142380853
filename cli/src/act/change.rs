//! From options to overrides.

use crds::{ChainOverride, ChainOverrideSpec, Duration, RateLimits, Restore};

use super::args::{Change, Making, ScaleOptions, ThrottleOptions};

/// An override that isn't made yet.
pub(super) struct Planned {
    pub(super) spec: ChainOverrideSpec,
    /// What its name begins with, if it isn't chosen.
    pub(super) prefix: String,
    pub(super) name: Option<String>,
}

impl Planned {
    fn of(chain: &str, stages: &[String], making: &Making, verb: &str) -> Self {
        let spec = ChainOverrideSpec {
            chain: chain.to_owned(),
            stages: stages.to_vec(),
            rate_limits: None,
            backoff: None,
            paused: None,
            replicas: None,
            reason: making.reason.clone(),
            lasts: making.lasts,
            by: None,
            restore: making.restore_over.map(|over| Restore { over }),
            ended: false,
            ended_by: None,
        };
        Self {
            spec,
            prefix: format!("{chain}-{verb}-"),
            name: making.name.clone(),
        }
    }

    fn of_change(change: &Change, verb: &str) -> Self {
        Self::of(&change.chain, &change.stages, &change.making, verb)
    }

    pub(super) fn throttle(options: &ThrottleOptions) -> Self {
        let mut planned = Self::of_change(&options.change, "throttle");
        planned.spec.rate_limits = Some(RateLimits {
            max_dispatches_per_second: options.rate,
            max_concurrent_dispatches: options.concurrency,
        });
        planned
    }

    pub(super) fn pause(change: &Change) -> Self {
        let mut planned = Self::of_change(change, "pause");
        planned.spec.paused = Some(true);
        planned
    }

    /// Runs a stage, no matter who has paused it.
    pub(super) fn run(chain: &str, stage: &str, making: &Making) -> Self {
        let mut planned = Self::of(chain, &[stage.to_owned()], making, "resume");
        planned.spec.paused = Some(false);
        planned
    }

    pub(super) fn scale(options: &ScaleOptions) -> Self {
        let mut planned = Self::of_change(&options.change, "scale");
        planned.spec.replicas = Some(options.replicas);
        planned
    }

    /// As an object, made by `by`.
    pub(super) fn object(&self, namespace: &str, by: Option<String>) -> ChainOverride {
        let spec = ChainOverrideSpec {
            by,
            ..self.spec.clone()
        };
        let mut object = ChainOverride::new("", spec);
        object.metadata.namespace = Some(namespace.to_owned());
        object.metadata.name.clone_from(&self.name);
        if self.name.is_none() {
            object.metadata.generate_name = Some(self.prefix.clone());
        }
        object
    }
}

/// What the API server would refuse too, said before anything is planned.
pub(super) fn refuse(spec: &ChainOverrideSpec) -> Result<(), String> {
    let most = Duration::from_secs(168 * 3600);
    if spec.lasts < Duration::from_secs(60) || spec.lasts > most {
        return Err(format!(
            "--for {} must be from 1m to 168h (7 days): to change a setting for longer, edit the chain",
            spec.lasts
        ));
    }
    let limits = spec.rate_limits.unwrap_or_default();
    let lowers = limits.max_dispatches_per_second.is_some() || spec.paused == Some(true);
    if spec.restore.is_some() && !lowers {
        return Err(
            "--restore-over raises a rate in steps: use it only with throttle --rate or pause"
                .to_owned(),
        );
    }
    Ok(())
}
