# Programs from Debian's packages, beside the system: sourced by ci/bitcoind and ci/tshark.
# The caller has `say`; nothing outside the folders that it names is written.
# shellcheck shell=bash

# "URI|KEY" of the first entry of the machine's own sources that serves Debian itself, both formats.
debian_mirror() {
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -f $file ]] || continue
    awk -v RS= '{
      uri = suites = key = ""; enabled = 1
      count = split($0, line, "\n")
      for (i = 1; i <= count; i++) {
        value = line[i]; sub(/^[A-Za-z-]+:[ \t]*/, "", value)
        if (line[i] ~ /^URIs:/) { split(value, part, /[ \t]+/); uri = part[1] }
        if (line[i] ~ /^Suites:/) suites = value
        if (line[i] ~ /^Signed-By:/) key = value
        if (line[i] ~ /^Enabled:[ \t]*no/) enabled = 0
      }
      if (enabled && uri ~ /\/debian\/?$/ && suites !~ /security/) print uri "|" key
    }' "$file"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f $file ]] || continue
    awk '$1 == "deb" {
      key = ""
      if (match($0, /signed-by=[^] \t]+/)) key = substr($0, RSTART + 10, RLENGTH - 10)
      for (i = 2; i <= NF; i++) if ($i ~ /:\/\// && $i ~ /\/debian\/?$/) { print $i "|" key; break }
    }' "$file"
  done
}

# debian_fetch PACKAGE SUITE FOLDER: downloads the package and all it needs into FOLDER/archives.
debian_fetch() {
  local package=$1 suite=$2 into=$3 entry uri key
  # Not `debian_mirror | head`: a closed pipe would end the script.
  entry=$(debian_mirror)
  entry=${entry%%$'\n'*}
  [[ -n $entry ]] || { say "no Debian mirror in /etc/apt/sources.list.d or /etc/apt/sources.list"; return 1; }
  uri=${entry%%|*}
  key=${entry#*|}
  [[ $key == /* ]] || key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$into/lists/partial" "$into/archives/partial" || return 1
  printf 'deb [signed-by=%s] %s %s main\n' "$key" "$uri" "$suite" >"$into/sources.list" || return 1
  local apt=(
    apt-get -q
    -o "Dir::Etc::sourcelist=$into/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::Lists=$into/lists" -o Dir::State::status=/dev/null
    -o "Dir::Cache=$into" -o "Dir::Cache::archives=$into/archives"
    -o APT::Install-Recommends=false -o APT::Sandbox::User="$(id -un)"
    -o Debug::NoLocking=true -o Acquire::Retries=3
  )
  say "fetching $package from the suite $suite"
  if ! "${apt[@]}" update >"$into/log" 2>&1 ||
    ! "${apt[@]}" -y --download-only install "$package" >>"$into/log" 2>&1; then
    say "apt could not fetch $package; its last words:"
    tail -n 8 "$into/log" >&2
    return 1
  fi
  rm -rf "$into/lists"
}

# debian_unpack PROGRAM FOLDER [NAME=PATH...]: makes a root of FOLDER/archives, and the wrapper
# FOLDER/PROGRAM that runs in it, with variables that name paths of the root; and with
# FOLDER/preload.so before its libraries, where the caller has made one.
debian_unpack() {
  local program=$1 into=$2 deb loader libraries preload=
  shift 2
  # shellcheck disable=SC2016  # The wrapper's own variable.
  [[ ! -f $into/preload.so ]] || preload='--preload "$here/preload.so" '
  for deb in "$into"/archives/*.deb; do
    [[ -f $deb ]] || { say "no packages in $into/archives"; return 1; }
    case ${deb##*/} in
      # Needed to install a package, not to run its program.
      systemd_* | libsystemd-shared* | debconf_* | perl*) continue ;;
    esac
    dpkg -x "$deb" "$into/root" || return 1
  done
  # What packages point at, they point at in the system.
  local link
  while IFS= read -r -d '' link; do
    ln -sfnr "$into/root$(readlink "$link")" "$link" || return 1
  done < <(find "$into/root" -type l -lname '/*' -print0)
  loader=$(find "$into/root" -path '*-linux-gnu*/ld-linux-*.so.*' | sort | head -n 1)
  [[ -n $loader ]] || { say "no dynamic loader among the packages"; return 1; }
  loader=${loader#"$into"}
  libraries=${loader%/*}
  # The loader may stand in /lib with the libraries of few packages, those of the others in /usr/lib.
  local others=/root/usr${libraries#/root}
  # The wrapper finds its folder, so that the cache can be moved.
  {
    printf '%s\n' '#!/usr/bin/env bash' \
      'here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)'
    local setting
    for setting in "$@"; do printf 'export %s="$here/root%s"\n' "${setting%%=*}" "${setting#*=}"; done
    printf 'exec "$here%s" %s--library-path "$here%s:$here%s" "$here/root/usr/bin/%s" "$@"\n' \
      "$loader" "$preload" "$libraries" "$others" "$program"
  } >"$into/$program"
  chmod +x "$into/$program"
}
