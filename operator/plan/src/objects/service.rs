//! The Service of a stage: the one address of its workers.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::names;
use crate::model::{Desired, DesiredStage, SERVICE_PORT};

/// The Service of a stage.
pub fn service(desired: &Desired, stage: &DesiredStage) -> Service {
    let mut service = Service {
        metadata: names::metadata(
            desired,
            stage,
            desired.worker_template.service_metadata.as_ref(),
        ),
        spec: Some(ServiceSpec {
            selector: Some(names::selector(&desired.name, &stage.name)),
            ports: Some(vec![ServicePort {
                name: Some("tasks".into()),
                port: i32::from(SERVICE_PORT),
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::String("tasks".into())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    };
    let applied = names::applied(&service);
    service.annotations_mut().extend([applied]);
    service
}
