<?php
declare(strict_types=1);

function greeting(string $name): string
{
    return "Good evening, {$name}!";
}

$guest = $_GET['name'] ?? 'stranger';
?>
<p><?= htmlspecialchars(greeting($guest)) ?></p>
