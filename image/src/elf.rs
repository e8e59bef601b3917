//! What a program says about itself: for which processor it is, and whether it needs anything beside itself.

use object::{
    Architecture, FileKind, Object,
    elf::PT_INTERP,
    read::elf::{ElfFile64, ProgramHeader},
};

/// Why a program cannot be the only one of an image.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    #[error("it is no 64-bit ELF program")]
    NotElf(#[source] Option<object::read::Error>),
    #[error("it is for {0:?}; images are made for x86_64 and aarch64")]
    Architecture(Architecture),
    #[error("it is linked dynamically, and the image has no libraries: build it with `image build`")]
    Dynamic,
}

/// The processor of a static program, as images name it.
pub fn architecture(program: &[u8]) -> Result<&'static str, ElfError> {
    match FileKind::parse(program) {
        Ok(FileKind::Elf64) => {}
        Ok(_) => return Err(ElfError::NotElf(None)),
        Err(error) => return Err(ElfError::NotElf(Some(error))),
    }
    let file = ElfFile64::<object::Endianness>::parse(program).map_err(|error| ElfError::NotElf(Some(error)))?;
    if file.elf_program_headers().iter().any(|header| header.p_type(file.endian()) == PT_INTERP) {
        return Err(ElfError::Dynamic);
    }
    match file.architecture() {
        Architecture::X86_64 => Ok("amd64"),
        Architecture::Aarch64 => Ok("arm64"),
        other => Err(ElfError::Architecture(other)),
    }
}
