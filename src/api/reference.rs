//! How one object names another. It never has a namespace: where the other one lies follows from who refers to it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// An object by name; where it lies follows from who refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameRef {
    /// Name of the object, 1 to 253 characters.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}
