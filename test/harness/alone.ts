/**
 * The first line of a shell script in a mount namespace of its own (unshare(1)). Such a namespace begins with a copy of
 * every mount there is, those of tests that run at the same time too; and as long as a copy is there, the kernel does not
 * end their connections and their daemons do not end. It takes the copies away, but for that at $MNT.
 */
export const FOREIGN_MOUNTS_AWAY =
  `awk -v own="\${MNT:-}" '/ - fuse[.]layoutfs / && $5 != own { print $5 }' /proc/self/mountinfo | sort -r |` +
  ' while read -r copy; do umount -l "$copy"; done\n';
