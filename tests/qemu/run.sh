#!/bin/bash
# Runs a command inside a virtual machine with another kernel (Debian's stock one), as root, and
# returns its exit code. The machine has what it is given, in a file system made of memory: the
# command, files and programs with their shared libraries, busybox, ip, bridge, kernel modules that
# the kernel loads by itself when asked for. No disk, no network card.
#
#   tests/qemu/run.sh [options] -- COMMAND [ARGUMENT...]
#
#   --kernel FOLDER   holds boot/vmlinuz-* and lib/modules/* (tests/qemu/get-kernel makes one);
#                     default: $CARACAL_QEMU_KERNEL, build/qemu-kernel, / (an installed kernel)
#   --files PATH...   more files, programs or folders, to the same path; FROM:TO to another one
#   --modules NAME... more kernel modules, besides those for networks
#   --env NAME=VALUE  for the command; may be repeated
#   --memory MIB      default 2048
#   --time SECONDS    then it is killed, exit code 124; default 300
#   --quiet           the command's output only when it fails
#   --icount          one processor whose clock counts its instructions, one nanosecond each, and leaps when it is idle:
#                     what is measured there is the same each time, however busy the real machine is
#   --follow          the console as it comes, on standard error
#
# CARACAL_QEMU_ACCEL=kvm makes it fast where hardware virtualisation works.
#
# Exit codes: the command's; 77: qemu, busybox or a kernel is missing; 124: time over;
# 125: the machine did not get as far as the command's end (its console is printed).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernel=${CARACAL_QEMU_KERNEL:-}
memory=2048
limit=300
quiet=
icount=
follow=
files=()
environment=()
modules=(ipip wireguard vxlan veth dummy bridge ip6_tunnel sit ifb macvlan sch_ingress sch_netem
         nf_tables nft_ct nft_chain_nat nft_masq nft_nat nft_log nft_limit nft_fib_inet nft_reject_inet
         nft_counter nft_hash nf_conntrack_netlink nfnetlink_log nf_log_syslog xt_comment
         tcp_bbr sctp crc32c_generic crc32c-intel nf_defrag_ipv6 ip6_gre blake2s-x86_64 curve25519-x86_64 chacha20poly1305 af_packet)

die() { echo "qemu: $*" >&2; exit "${code:-2}"; }
while [ $# -gt 0 ]; do
  case $1 in
    --kernel) kernel=$2; shift 2 ;;
    --memory) memory=$2; shift 2 ;;
    --time) limit=$2; shift 2 ;;
    --env) environment+=("$2"); shift 2 ;;
    --quiet) quiet=1; shift ;;
    --icount) icount=1; shift ;;
    --follow) follow=1; shift ;;
    --files) shift; while [ $# -gt 0 ] && [[ $1 != --* ]]; do files+=("$1"); shift; done ;;
    --modules) shift; while [ $# -gt 0 ] && [[ $1 != --* ]]; do modules+=("$1"); shift; done ;;
    --) shift; break ;;
    *) die "unknown option $1" ;;
  esac
done
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# What the machine is made of.
for program in qemu-system-x86_64 busybox cpio ip; do
  command -v $program >/dev/null || code=77 die "no $program (packages qemu-system-x86 busybox cpio iproute2)"
done
if [ -z "$kernel" ]; then
  for candidate in "$here/../../build/qemu-kernel" /; do
    if ls "$candidate"/boot/vmlinuz-* >/dev/null 2>&1; then kernel=$candidate; break; fi
  done
fi
image=$(ls "${kernel:-/no-kernel}"/boot/vmlinuz-* 2>/dev/null | sort -V | tail -1)
[ -n "$image" ] || code=77 die "no kernel: run tests/qemu/get-kernel build/qemu-kernel"
version=${image##*/vmlinuz-}
module_folder=$kernel/lib/modules/$version
[ -f "$module_folder/modules.dep" ] || code=77 die "no $module_folder/modules.dep (depmod -b $kernel $version)"

work=$(mktemp -d "${TMPDIR:-/tmp}/caracal-qemu.XXXXXX")
machine=
cleanup() {
  [ -z "$machine" ] || kill "$machine" 2>/dev/null || true  # timeout hands it on to qemu
  rm -rf "$work"
}
trap cleanup EXIT
root=$work/root
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,proc,sys,dev,tmp,run/netns,etc,root,lib/modules/"$version"}

# A file to its path (FROM:TO elsewhere), with the shared libraries it needs.
declare -A copied
add() {
  local from=${1%%:*} to=${1#*:}
  [ -z "${copied[$to]:-}" ] || return 0
  copied[$to]=1
  [ -e "$from" ] || die "no such file: $from"
  mkdir -p "$root$(dirname "$to")"
  cp -aL "$from" "$root$to"
  if [ -f "$from" ] && head -c4 "$from" | grep -q ELF; then add_libraries "$from"; fi
}
add_libraries() {
  local library
  # Statically linked programs have none, and ldd says so by failing.
  for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
    [ -n "${copied[$library]:-}" ] || { copied[$library]=1; mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; }
  done
}
which_path() { readlink -f "$(command -v "$1")"; }

busybox=$(which_path busybox)
cp "$busybox" "$root/bin/busybox"
add_libraries "$busybox"
for program in ip bridge nft tc; do
  ! command -v $program >/dev/null || { p=$(command -v $program); add "$(readlink -f "$p"):/usr/sbin/$program"; }
done
command=$(command -v "$1") || die "no such program: $1"
command=$(readlink -f "$command")
shift
add "$command"
for file in ${files[@]+"${files[@]}"}; do
  [[ $file == *:* ]] && add "$file" || add "$(realpath -s "$file")"
done

# Modules, each behind those it needs; what the kernel has built in has no file.
add_module() {
  local line path
  line=$(grep -E "(^|/)${1//[-_]/[-_]}\.ko(\.[a-z]+)?:" "$module_folder/modules.dep" | head -1) || return 0
  for path in ${line%%:*} ${line#*:}; do
    mkdir -p "$root/lib/modules/$version/$(dirname "$path")"
    [ -f "$root/lib/modules/$version/$path" ] || cp "$module_folder/$path" "$root/lib/modules/$version/$path"
    echo "${path##*/}" >> "$work/modules"
  done
  echo "$line" >> "$root/lib/modules/$version/modules.dep"
}
for module in "${modules[@]}"; do add_module "$module"; done
# A module that others need must be found by itself, too.
sort -u "$work/modules" | while read -r module; do
  grep -q -E "(^|/)$module:" "$root/lib/modules/$version/modules.dep" ||
    grep -E "(^|/)$module:" "$module_folder/modules.dep" >> "$root/lib/modules/$version/modules.dep"
done
for index in modules.alias modules.symbols modules.softdep modules.builtin modules.builtin.modinfo; do
  [ ! -f "$module_folder/$index" ] || cp "$module_folder/$index" "$root/lib/modules/$version/"
done

quoted() { local word; for word in "$@"; do printf ' %q' "$word"; done; }
cat > "$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /var/run /var/lib
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
ip link set lo up
hostname qemu
$(for variable in ${environment[@]+"${environment[@]}"}; do printf 'export %q\n' "$variable"; done)
echo caracal-qemu: begin
(cd /root && exec$(quoted "$command" "$@")) < /dev/null
code=\$?
echo # a last line may have no end
echo "caracal-qemu: exit \$code"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . -print0 | cpio --null -o -H newc --quiet) > "$work/initramfs"

# Counted: no string moves of a byte an instruction (`erms`, `fsrm`), which a real processor does 32 at a time; and nothing
# against speculation, whose cost in instructions says nothing about its cost in time.
machine_options=(-accel "${CARACAL_QEMU_ACCEL:-tcg}" -cpu max -smp 2)
kernel_options=
if [ -n "$icount" ]; then
  machine_options=(-accel tcg,thread=single -icount shift=0,sleep=off,align=off -cpu max,-erms,-fsrm -smp 1)
  kernel_options="mitigations=off nokaslr"
fi
# Emulated by default: a build machine is often a virtual one itself, where /dev/kvm is there and hangs.
status=0
timeout --signal=KILL "$limit" qemu-system-x86_64 "${machine_options[@]}" \
  -m "$memory" -nodefaults -no-user-config -no-reboot -display none -serial "file:$work/console" \
  -kernel "$image" -initrd "$work/initramfs" \
  -append "console=ttyS0 panic=-1 quiet loglevel=4 net.ifnames=0 $kernel_options" < /dev/null > "$work/qemu" 2>&1 &
machine=$!
if [ -n "$follow" ]; then tail -q -F --pid=$machine "$work/console" >&2 2>/dev/null & fi
wait "$machine" 2>/dev/null || status=$?
machine=
touch "$work/console"
sed -i 's/\r$//' "$work/console"
result=$(sed -n 's/^caracal-qemu: exit \([0-9]*\)$/\1/p' "$work/console" | tail -1)
if [ -z "$result" ]; then
  cat "$work/qemu" "$work/console" >&2
  [ $status -ne 137 ] || code=124 die "not done after $limit s"
  code=125 die "the machine ended before the command did"
fi
if [ -z "$quiet" ] || [ "$result" -ne 0 ]; then
  sed -n '/^caracal-qemu: begin$/,/^caracal-qemu: exit/p' "$work/console" | sed '1d;$d' | sed '$d'
fi
exit "$result"
