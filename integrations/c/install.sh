#!/bin/sh
# Builds and installs the C interface: header, shared and static library, pkg-config file.
#
#     PREFIX=/usr/local DESTDIR= ./install.sh [directory of built libraries]
#
# PREFIX (default /usr/local) is where the library will be used, an absolute path; LIBDIR (default PREFIX/lib) is where libraries go;
# DESTDIR, if any, is put before all paths written to, for packages. Without a directory the libraries are built first, by
# `cargo build --release`. For ELF systems.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
destdir=${DESTDIR:-}
case $prefix:$libdir in
/*:/*) ;;
*) echo "install.sh: PREFIX and LIBDIR must be absolute paths, got $prefix and $libdir" >&2 && exit 2 ;;
esac

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/Cargo.toml")
abi=${version%.*}

if [ $# -gt 0 ]; then
    built=$1
else
    cd "$here"
    cargo build --release --locked -p lrn-jit-c
    target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    built=$target/release
fi

install -d "$destdir$prefix/include" "$destdir$libdir/pkgconfig"
install -m 644 "$here/include/lrn_jit.h" "$destdir$prefix/include/lrn_jit.h"
install -m 755 "$built/liblrn_jit_c.so" "$destdir$libdir/liblrn_jit_c.so.$version"
ln -sf "liblrn_jit_c.so.$version" "$destdir$libdir/liblrn_jit_c.so.$abi"
ln -sf "liblrn_jit_c.so.$abi" "$destdir$libdir/liblrn_jit_c.so"
install -m 644 "$built/liblrn_jit_c.a" "$destdir$libdir/liblrn_jit_c.a"
cat >"$destdir$libdir/pkgconfig/lrn-jit.pc" <<EOF
prefix=$prefix
includedir=\${prefix}/include
libdir=$libdir

Name: lrn-jit
Description: Local Response Normalization compiled for its parameters
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -llrn_jit_c
Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl
EOF
chmod 644 "$destdir$libdir/pkgconfig/lrn-jit.pc"
echo "installed lrn-jit $version: $destdir$prefix/include/lrn_jit.h, $destdir$libdir/liblrn_jit_c.so, .a, pkgconfig/lrn-jit.pc"
