//! Where the workers of a chain run: in a cluster, or in the process of `executor-chain dev`.

use std::future::Future;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::core::DynamicObject;
use plan::model::{GatewayResourceKind, ObjectName};

use crate::error::Error;

/// Writes a chain's objects. Each write may be repeated without harm.
pub trait Workloads: Sync {
    /// Why a write failed.
    type Error: From<Error> + std::fmt::Display + Send;

    /// Keeps the chain until its deletion policy is carried out.
    fn add_finalizer(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Lets the chain be deleted.
    fn remove_finalizer(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Creates or changes a Service.
    fn apply_service(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Creates or changes a Deployment.
    fn apply_deployment(
        &self,
        deployment: &Deployment,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Creates or changes a route or a policy.
    fn apply_gateway_resource(
        &self,
        kind: GatewayResourceKind,
        object: &DynamicObject,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Deletes an object; it may not exist.
    fn delete(&self, object: &ObjectName) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Removes the chain's owner reference from an object, which then outlives the chain.
    fn release(&self, object: &ObjectName) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
