//! The API server's objects: versions, uids, conditional writes, who owns which key. No faults, no time.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ApiToken,
    Lease,
    Provider,
    Secret,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

/// One write, as watches see it.
#[derive(Clone, Debug)]
pub struct Change {
    pub id: Id,
    /// As it is now, or was last.
    pub object: Value,
    pub deleted: bool,
    pub by: By,
}

/// Who writes: a process of the operator by its number, or somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Process(usize),
    User,
    Collector,
}

/// A write that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u16, pub &'static str);

pub const CONFLICT: Refused = Refused(409, "Conflict");
pub const NOT_FOUND: Refused = Refused(404, "NotFound");
const EXISTS: Refused = Refused(409, "AlreadyExists");

#[derive(Default)]
pub struct Store {
    objects: BTreeMap<Id, Value>,
    version: u64,
    uids: u64,
    /// What its clock shows, for the managed fields of what a process writes.
    pub clock: String,
    /// Writes that no watch was told of yet.
    pub changes: Vec<Change>,
}

impl Id {
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub fn secret(namespace: &str, name: &str) -> Self {
        Self::new(Kind::Secret, namespace, name)
    }
}

impl Store {
    pub fn get(&self, id: &Id) -> Option<&Value> {
        self.objects.get(id)
    }

    pub fn all(&self) -> impl Iterator<Item = (&Id, &Value)> {
        self.objects.iter()
    }

    pub fn create(&mut self, id: &Id, mut object: Value, by: By, created: &str) -> Result<Value, Refused> {
        if self.objects.contains_key(id) {
            return Err(EXISTS);
        }
        self.uids += 1;
        created.clone_into(&mut self.clock);
        // Spread, because jitter is made of them.
        let spread = self.uids.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.insert("uid".to_owned(), json!(format!("{spread:016x}-{:04}", self.uids)));
        metadata.insert("name".to_owned(), json!(id.name));
        metadata.insert("namespace".to_owned(), json!(id.namespace));
        metadata.insert("generation".to_owned(), json!(1));
        metadata.insert("creationTimestamp".to_owned(), json!(created));
        Ok(self.put(id, None, object, by))
    }

    /// An `update`: everything is as the writer says, but uid and birth. In the version that the writer names, if any.
    pub fn replace(&mut self, id: &Id, mut object: Value, by: By) -> Result<Value, Refused> {
        let old = self.objects.get(id).ok_or(NOT_FOUND)?.clone();
        for key in ["uid", "resourceVersion"] {
            let wanted = &object["metadata"][key];
            if !wanted.is_null() && *wanted != old["metadata"][key] {
                return Err(CONFLICT);
            }
        }
        for key in ["uid", "creationTimestamp", "generation"] {
            object["metadata"][key] = old["metadata"][key].clone();
        }
        if object.get("spec") != old.get("spec") {
            object["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        Ok(self.put(id, Some(&old), object, by))
    }

    /// A JSON Patch of `add`, `replace` and `remove`.
    pub fn patch(&mut self, id: &Id, operations: &[Value], by: By) -> Result<Value, Refused> {
        let old = self.objects.get(id).ok_or(NOT_FOUND)?.clone();
        let mut object = old.clone();
        for operation in operations {
            let path = operation["path"].as_str().unwrap();
            if path == "/metadata/resourceVersion" {
                if operation["value"] != old["metadata"]["resourceVersion"] {
                    return Err(CONFLICT);
                }
                continue;
            }
            let (parent, key) = path.rsplit_once('/').unwrap();
            let key = key.replace("~1", "/").replace("~0", "~");
            let parent = object.pointer_mut(parent).and_then(Value::as_object_mut).ok_or(Refused(422, "Invalid"))?;
            match operation["op"].as_str() {
                Some("remove") => drop(parent.remove(&key)),
                _ => drop(parent.insert(key, operation["value"].clone())),
            }
        }
        Ok(self.put(id, Some(&old), object, by))
    }

    /// A merge patch of the status, in the version that it names.
    pub fn merge_status(&mut self, id: &Id, patch: &Value, by: By) -> Result<Value, Refused> {
        let old = self.objects.get(id).ok_or(NOT_FOUND)?.clone();
        let wanted = &patch["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != old["metadata"]["resourceVersion"] {
            return Err(CONFLICT);
        }
        let mut object = old.clone();
        merge(&mut object["status"], &patch["status"]);
        Ok(self.put(id, Some(&old), object, by))
    }

    pub fn delete(&mut self, id: &Id, preconditions: &Value, by: By) -> Result<(), Refused> {
        let old = self.objects.get(id).ok_or(NOT_FOUND)?;
        for key in ["uid", "resourceVersion"] {
            if !preconditions[key].is_null() && preconditions[key] != old["metadata"][key] {
                return Err(CONFLICT);
            }
        }
        let object = self.objects.remove(id).unwrap();
        self.version += 1;
        self.changes.push(Change { id: id.clone(), object, deleted: true, by });
        Ok(())
    }

    fn put(&mut self, id: &Id, old: Option<&Value>, mut object: Value, by: By) -> Value {
        if id.kind == Kind::Secret {
            let manager = if let By::Process(_) = by { "apitoken-operator" } else { "kubectl-edit" };
            object["metadata"]["managedFields"] = managed(old, &object, manager, &self.clock);
        }
        if let Some(old) = old {
            object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
            if object == *old {
                // As etcd: a write that changes nothing makes no version.
                return object;
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(id.clone(), object.clone());
        self.changes.push(Change { id: id.clone(), object: object.clone(), deleted: false, by });
        object
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let into = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Whoever changes a key of the data owns it; what stays as it was stays whose it was.
fn managed(old: Option<&Value>, object: &Value, manager: &str, clock: &str) -> Value {
    let mut owned: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        let kept = old.filter(|old| old["data"].get(key) == Some(value)).and_then(|old| owner(old, key));
        let owner = kept.unwrap_or_else(|| manager.to_owned());
        owned.entry(owner).or_default().insert(format!("f:{key}"), json!({}));
    }
    let same_data = old.is_some_and(|old| old["data"] == object["data"]);
    let entry = |(by, keys): (String, _)| {
        let before = old.and_then(|old| entry_of(old, &by)).filter(|_| same_data || by != manager);
        let time = before.map_or_else(|| json!(clock), |before| before["time"].clone());
        json!({ "manager": by, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": { "f:data": Value::Object(keys) } })
    };
    Value::Array(owned.into_iter().map(entry).collect())
}

fn entry_of<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    object["metadata"]["managedFields"].as_array()?.iter().find(|entry| entry["manager"] == manager)
}

fn owner(object: &Value, key: &str) -> Option<String> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    let has = |entry: &&Value| entry["fieldsV1"]["f:data"].get(format!("f:{key}")).is_some();
    Some(entries.iter().find(has)?["manager"].as_str()?.to_owned())
}
