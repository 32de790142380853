//! The figures of all loads, and their goals.

use std::fmt;

use crate::figure::{Figure, labeled};
use crate::rounds::Rounds;
use crate::worker::push::{Pushed, count};
use crate::worker::reverse_proxy::ReverseProxy;

/// Connections with one push each at a time, and the bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    pub size: usize,
    pub connections: usize,
}

/// A round of one load.
#[derive(Debug, Clone)]
pub struct Measured {
    pub proxy: ReverseProxy,
    pub load: Load,
    pub pushed: Pushed,
    /// Of the proxy's own, while it was pushed to.
    pub cpu_ms: f64,
    pub loaded_mib: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Started {
    pub proxy: ReverseProxy,
    pub ready_ms: f64,
    pub idle_mib: f64,
}

/// The most that the worker's p99 may be of nginx's.
const P99: f64 = 1.1;

impl Load {
    /// The most that the CPU time of a push may be of nginx's: where a worker is busy. With one connection
    /// both mostly wait for the next push, and what is measured is the kernel.
    fn share_of_nginx(self) -> Option<f64> {
        match (self.size, self.connections) {
            (512, 32) => Some(1.25),
            (65_536, 32) => Some(1.1),
            _ => None,
        }
    }

    /// The same of Go's.
    fn share_of_go(self) -> Option<f64> {
        (self.connections == 1).then_some(1.0)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, connections } = self;
        write!(f, "{size} B, {connections} connections")
    }
}

impl Measured {
    fn push_cpu_us(&self) -> f64 {
        self.cpu_ms * 1000.0 / count(self.pushed.pushes)
    }
}

pub fn figures(loads: &[Load], measured: &[Measured], started: &[Started]) -> Vec<Figure> {
    let pushes = loads.iter().flat_map(|load| of_pushes(*load, measured));
    let processes = ReverseProxy::ALL
        .into_iter()
        .flat_map(|proxy| of_process(proxy, measured, started));
    pushes.chain(processes).collect()
}

fn of_pushes(load: Load, measured: &[Measured]) -> Vec<Figure> {
    let of = |proxy: ReverseProxy, value: fn(&Measured) -> f64| -> Rounds {
        let those = measured
            .iter()
            .filter(|it| (it.proxy, it.load) == (proxy, load));
        those.map(value).collect()
    };
    let beside = |proxy: ReverseProxy, value: fn(&Measured) -> f64, unit: &str| {
        of(proxy, value).median().map_or_else(
            || format!("{}: not on this machine", proxy.name()),
            |median| labeled(proxy.name(), median, unit),
        )
    };
    let others = |value: fn(&Measured) -> f64, unit: &str| {
        [ReverseProxy::Nginx, ReverseProxy::Go]
            .map(|proxy| beside(proxy, value, unit))
            .join("; ")
    };
    let own = |name: &str, value: fn(&Measured) -> f64, unit: &str| {
        let figure = Figure::of(
            format!("{load}: {name}"),
            &of(ReverseProxy::Worker, value),
            unit,
        );
        figure.against(others(value, unit))
    };
    let divided = |name: &str, value: fn(&Measured) -> f64, proxy, most: Option<f64>| {
        let ratio = of(ReverseProxy::Worker, value).divided_by(&of(proxy, value));
        let figure = Figure::of(format!("{load}: {name}"), &ratio, "");
        match most {
            Some(most) => figure.share_at_most(most),
            None => figure,
        }
    };
    let p99 = |it: &Measured| it.pushed.p99_ms;
    let cpu = Measured::push_cpu_us;
    let more = [ReverseProxy::Notifying, ReverseProxy::WithoutLog].map(|it| beside(it, cpu, "µs"));
    vec![
        own("pushes per second", |it| it.pushed.per_second(), "/s"),
        own("p50", |it| it.pushed.p50_ms, "ms"),
        own("p99", p99, "ms"),
        divided(
            "p99, divided by nginx's",
            p99,
            ReverseProxy::Nginx,
            Some(P99),
        ),
        own("CPU time of a push", cpu, "µs").against(format!(
            "{}; {}",
            others(cpu, "µs"),
            more.join("; ")
        )),
        divided(
            "CPU time of a push, divided by nginx's",
            cpu,
            ReverseProxy::Nginx,
            load.share_of_nginx(),
        ),
        divided(
            "CPU time of a push, divided by Go's",
            cpu,
            ReverseProxy::Go,
            load.share_of_go(),
        ),
    ]
}

fn of_process(proxy: ReverseProxy, measured: &[Measured], started: &[Started]) -> Vec<Figure> {
    let own = |value: fn(&Started) -> f64| -> Rounds {
        let those = started.iter().filter(|it| it.proxy == proxy);
        those.map(value).collect()
    };
    let (ready, idle) = (own(|it| it.ready_ms), own(|it| it.idle_mib));
    // Of all loads together, which differ more than rounds do.
    let loaded = measured.iter().filter(|it| it.proxy == proxy);
    let loaded: Rounds = loaded.map(|it| it.loaded_mib).collect();
    let Some(loaded) = loaded.median() else {
        return Vec::new();
    };
    let name = proxy.name();
    let start = Figure::of(format!("{name}: start to ready"), &ready, "ms");
    let memory = Figure::of(format!("{name}: memory, idle"), &idle, "MiB")
        .against(format!("loaded: {loaded:.1} MiB"));
    if proxy == ReverseProxy::Worker {
        vec![start.at_most(50.0), memory.at_most(12.0)]
    } else {
        vec![start, memory]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Load = Load {
        size: 512,
        connections: 32,
    };

    /// 1,000 pushes, each of so many microseconds of CPU time.
    fn round(proxy: ReverseProxy, load: Load, cpu_us: f64) -> Measured {
        Measured {
            proxy,
            load,
            pushed: Pushed {
                pushes: 1000,
                seconds: 1.0,
                p50_ms: 1.0,
                p99_ms: 2.0,
                next: 0,
            },
            cpu_ms: cpu_us,
            loaded_mib: 20.0,
        }
    }

    fn verdict(load: Load, measured: &[Measured], name: &str) -> String {
        let figures = figures(&[load], measured, &[]);
        let name = format!("{load}: {name}");
        let found = figures.iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).verdict()
    }

    #[test]
    fn a_push_is_held_against_nginx_where_the_worker_is_busy() {
        let goal = |size, connections| {
            let load = Load { size, connections };
            let measured = [
                round(ReverseProxy::Worker, load, 24.0),
                round(ReverseProxy::Nginx, load, 20.0),
            ];
            verdict(load, &measured, "CPU time of a push, divided by nginx's")
        };
        assert_eq!(goal(512, 32), "at most 1.25: met");
        assert_eq!(goal(65_536, 32), "at most 1.1: not met");
        assert_eq!(goal(512, 1), "");
    }

    #[test]
    fn a_push_is_held_against_go_with_one_connection() {
        let goal = |connections| {
            let load = Load {
                size: 512,
                connections,
            };
            let measured = [
                round(ReverseProxy::Worker, load, 24.0),
                round(ReverseProxy::Go, load, 25.0),
            ];
            verdict(load, &measured, "CPU time of a push, divided by Go's")
        };
        assert_eq!(goal(1), "at most 1: met");
        assert_eq!(goal(32), "");
    }

    #[test]
    fn a_slow_round_of_both_is_no_difference() {
        let measured = [
            round(ReverseProxy::Worker, BUSY, 24.0),
            round(ReverseProxy::Nginx, BUSY, 20.0),
            round(ReverseProxy::Worker, BUSY, 48.0),
            round(ReverseProxy::Nginx, BUSY, 40.0),
        ];
        let goal = verdict(BUSY, &measured, "CPU time of a push, divided by nginx's");
        assert_eq!(goal, "at most 1.25: met");
    }

    #[test]
    fn a_slow_round_of_one_leaves_no_verdict() {
        let measured = [
            round(ReverseProxy::Worker, BUSY, 24.0),
            round(ReverseProxy::Nginx, BUSY, 20.0),
            round(ReverseProxy::Worker, BUSY, 24.0),
            round(ReverseProxy::Nginx, BUSY, 24.0),
        ];
        let goal = verdict(BUSY, &measured, "CPU time of a push, divided by nginx's");
        assert_eq!(goal, "at most 1.25: rounds differ by 17 %, no verdict");
    }

    #[test]
    fn without_nginx_its_goals_are_not_met() {
        let measured = [round(ReverseProxy::Worker, BUSY, 24.0)];
        let goal = verdict(BUSY, &measured, "CPU time of a push, divided by nginx's");
        assert_eq!(goal, "at most 1.25: not met");
        let figures = figures(&[BUSY], &measured, &[]);
        let own = figures
            .iter()
            .find(|it| it.name == "512 B, 32 connections: CPU time of a push");
        let against = own.unwrap().against.clone().unwrap();
        assert!(
            against.starts_with("nginx: not on this machine; Go's"),
            "{against}"
        );
    }
}
